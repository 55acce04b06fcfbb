/**
 * A message in the form that Slack's incoming webhooks take, and many others too: a text, and the same as blocks. Pure.
 *
 * What others wrote, such as the error of a run, is escaped: it can mention nobody, and link nowhere.
 */
export interface Message {
  readonly title: string
  readonly lines: readonly string[]
}

export interface SlackMessage {
  /** For notifications, and for receivers that know no blocks. */
  readonly text: string
  readonly blocks: readonly {
    readonly type: 'section'
    readonly text: { readonly type: 'mrkdwn'; readonly text: string; readonly verbatim: true }
  }[]
}

/** Slack takes 3,000 characters a block and 50 blocks; https://docs.slack.dev/reference/block-kit/blocks/section-block */
const mostCharacters = 3_000
const mostLines = 20

export function slackMessage({ title, lines }: Message): SlackMessage {
  const left = lines.length - mostLines
  const shown = left > 0 ? [...lines.slice(0, mostLines), `… and ${left} more`] : lines
  const texts = [`*${escaped(title, 150)}*`, ...shown.map((line) => escaped(line, mostCharacters))]
  return {
    text: escaped([title, ...shown].join('\n'), mostCharacters),
    blocks: texts
      .filter((text) => text !== '')
      .map((text) => ({ type: 'section', text: { type: 'mrkdwn', text, verbatim: true } })),
  }
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

/** Of at most so many characters; an entity or a character of two units is never cut in two. */
function escaped(text: string, most: number): string {
  let out = ''
  for (const character of text) {
    const next = entities[character] ?? character
    if (out.length + next.length > most - 1) return `${out}…`
    out += next
  }
  return out
}

/** Boxes and the arrows between them as a still picture (SVG), laid out from left to right. */
import { graphlib, layout } from '@dagrejs/dagre'
import { escapeHtml } from './html-table.ts'
import { letterWidth, rounded, svgPage } from './svg.ts'

export interface Box {
  readonly name: string
  /** Written below the name, a line each. */
  readonly lines?: readonly string[]
}

/** From the box that is read, or ends first, to the one that comes after. Both are boxes of the picture. */
export interface Arrow {
  readonly from: string
  readonly to: string
  readonly label?: string
}

const lineHeight = 16
const margin = 12

export function graphPicture(boxes: readonly Box[], arrows: readonly Arrow[]): string {
  const graph = new graphlib.Graph()
  graph.setGraph({ rankdir: 'LR', nodesep: 18, ranksep: 56, marginx: margin, marginy: margin })
  for (const { name, lines = [] } of boxes) {
    const letters = Math.max(name.length, ...lines.map((line) => line.length))
    graph.setNode(name, { width: letters * letterWidth + 24, height: (lines.length + 1) * lineHeight + 14 })
  }
  for (const { from, to, label = '' } of arrows) {
    graph.setEdge(from, to, { width: label.length * letterWidth, height: lineHeight, labelpos: 'c' })
  }
  layout(graph)
  const { width = 0, height = 0 } = graph.graph()
  const drawn = [
    ...arrows.map((arrow) => drawnArrow(arrow, graph.edge(arrow.from, arrow.to))),
    ...boxes.map((box) => drawnBox(box, graph.node(box.name))),
  ]
  return svgPage(width, height, [arrowHead, ...drawn])
}

const arrowHead =
  '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#78909c"/></marker></defs>'

interface Placed {
  readonly x?: number | undefined
  readonly y?: number | undefined
  readonly width?: number | undefined
  readonly height?: number | undefined
}

function drawnBox({ name, lines = [] }: Box, { x = 0, y = 0, width = 0, height = 0 }: Placed): string {
  const top = y - height / 2
  const texts = [name, ...lines].map(
    (line, at) =>
      `<text x="${rounded(x)}" y="${rounded(top + 19 + at * lineHeight)}" text-anchor="middle"${at === 0 ? ' font-weight="600"' : ' fill="#607d8b"'}>${escapeHtml(line)}</text>`,
  )
  return `<g><rect x="${rounded(x - width / 2)}" y="${rounded(top)}" width="${rounded(width)}" height="${rounded(height)}" rx="6" fill="#e8f3f1" stroke="#0f766e"/>${texts.join('')}</g>`
}

interface Bent extends Placed {
  readonly points?: readonly { readonly x: number; readonly y: number }[] | undefined
}

function drawnArrow({ label }: Arrow, { points = [], x, y }: Bent): string {
  const path = points.map((point, at) => `${at === 0 ? 'M' : 'L'}${rounded(point.x)} ${rounded(point.y)}`)
  const line = `<path d="${path.join('')}" fill="none" stroke="#78909c" marker-end="url(#end)"/>`
  if (label === undefined || x === undefined || y === undefined) return line
  const width = label.length * letterWidth
  return `${line}<rect x="${rounded(x - width / 2)}" y="${rounded(y - 9)}" width="${rounded(width)}" height="18" fill="#fff"/><text x="${rounded(x)}" y="${rounded(y + 4)}" text-anchor="middle" fill="#607d8b">${escapeHtml(label)}</text>`
}

/**
 * What makes an HTML table sort, filter and page: plain JavaScript, which runs in the page of the notebook and is kept
 * as text, because the compiler would put calls into it that only Node knows.
 */
const behave = `function behave(id, attempts) {
  const around = document.getElementById(id)
  if (around === null) {
    // JupyterLab runs the script before it has put the output into the page.
    if (attempts > 0) requestAnimationFrame(() => behave(id, attempts - 1))
    return
  }
  if (around.dataset.ready === 'yes') return
  around.dataset.ready = 'yes'
  const body = around.querySelector('tbody')
  const all = [...body.rows]
  const size = Number(around.dataset.page)
  let [rows, page, column, direction] = [all, 0, -1, 1]

  const make = (name, properties) => Object.assign(document.createElement(name), properties)
  const words = make('span', {})
  const filter = make('input', { type: 'search', placeholder: 'filter' })
  const turn = (step) => { page += step; draw() }
  const back = make('button', { type: 'button', textContent: '‹ back', onclick: () => turn(-1) })
  const next = make('button', { type: 'button', textContent: 'next ›', onclick: () => turn(1) })

  function draw() {
    const pages = Math.max(1, Math.ceil(rows.length / size))
    const shown = rows.slice(page * size, (page + 1) * size)
    for (const row of shown) row.style.display = ''
    body.replaceChildren(...shown)
    const count = rows.length === all.length ? all.length : rows.length + ' of ' + all.length
    words.textContent = ' ' + count + (all.length === 1 ? ' row' : ' rows') + (pages > 1 ? ', page ' + (page + 1) + ' of ' + pages + ' ' : ' ')
    back.hidden = next.hidden = pages === 1
    back.disabled = page === 0
    next.disabled = page === pages - 1
  }

  const textOf = (row) => row.cells[column].textContent
  const isNumber = (text) => text !== '' && !Number.isNaN(Number(text))
  function compare(a, b) {
    const [x, y] = [textOf(a), textOf(b)]
    if (isNumber(x) && isNumber(y)) return Number(x) - Number(y)
    return x < y ? -1 : x > y ? 1 : 0
  }
  function choose() {
    const wanted = filter.value.toLowerCase()
    rows = all.filter((row) => row.textContent.toLowerCase().includes(wanted))
    if (column >= 0) rows.sort((a, b) => direction * compare(a, b))
    page = 0
    draw()
  }
  filter.oninput = choose

  const heads = [...around.querySelectorAll('th')]
  const names = heads.map((head) => head.textContent)
  heads.forEach((head, at) => {
    head.style.cursor = 'pointer'
    head.title = 'sort'
    head.onclick = () => {
      direction = column === at ? -direction : 1
      column = at
      heads.forEach((other, index) => {
        other.textContent = names[index] + (index === at ? (direction === 1 ? ' ▲' : ' ▼') : '')
      })
      choose()
    }
  })
  // A handful of rows is seen at once.
  if (all.length > 5) around.querySelector('.below').replaceChildren(filter, words, back, next)
  draw()
}`

/** @param id Of the element around the table. */
export function tableScript(id: string): string {
  return `(${behave})(${JSON.stringify(id)}, 120)`
}

// Highlights the SQL behind the textarea and underlines the word that the portal refused.
// The textarea remains the input: keyboard, undo and screen readers are the browser's own.
const WORDS = new Set(('select from where group by as and or not in is null between case when then else end distinct ' +
  'true false within order asc desc limit having offset').split(' '))
const PARTS = /('(?:[^']|'')*'?)|(--[^\n]*)|(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|([a-z_]\w*)(?=(\s*\()?)|"[^"]*"?|\s+|./gisu
const PLACE = /Line (\d+), column (\d+):/u

function kind([text, string, comment, number, word, opens]) {
  if (string !== undefined) return 'string'
  if (comment !== undefined) return 'comment'
  if (number !== undefined) return 'number'
  if (word === undefined) return ''
  if (WORDS.has(text.toLowerCase())) return 'keyword'
  return opens === undefined ? '' : 'name'
}

/** Return the offset of the refusal's line and column in the text, or -1 if it names none. */
function placeOf(text, refusal) {
  const [, line, column] = PLACE.exec(refusal) ?? []
  if (!line) return -1
  const before = text.split('\n').slice(0, Number(line) - 1)
  return before.reduce((sum, each) => sum + each.length + 1, 0) + Number(column) - 1
}

function paint(area, under, refusal) {
  const place = placeOf(area.value, refusal)
  const parts = []
  for (const match of area.value.matchAll(PARTS)) {
    const span = document.createElement('span')
    span.textContent = match[0]
    const name = kind(match)
    if (name) span.classList.add(`sql-${name}`)
    if (place >= match.index && place < match.index + match[0].length) span.classList.add('sql-wrong')
    parts.push(span)
  }
  under.replaceChildren(...parts, '\n')
  under.scrollTop = area.scrollTop
}

/** Highlight the SQL now and after every change. */
export function sqlColours(form) {
  const again = () => {
    const area = form.querySelector('#id_sql')
    const why = form.querySelector('[name=source]').value === 'sql' ? form.querySelector('#price-why')?.textContent ?? '' : ''
    paint(area, form.querySelector('#sql-under'), why)
  }
  const typed = ({ target }) => {
    if (target.id === 'id_sql') paint(target, form.querySelector('#sql-under'), '')
  }
  form.addEventListener('input', typed)
  form.addEventListener('scroll', ({ target }) => {
    if (target.id === 'id_sql') form.querySelector('#sql-under').scrollTop = target.scrollTop
  }, true)
  for (const event of ['htmx:afterSettle', 'htmx:oobAfterSwap']) document.addEventListener(event, again)
  again()
}

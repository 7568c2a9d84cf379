// Columns of the declaration wizard: show only the fields of the chosen type.
const shown = (column) => {
  const type = column.querySelector('select[name$="-type"]')?.value
  for (const part of column.querySelectorAll('[data-for]')) part.hidden = !part.dataset.for.split(' ').includes(type)
}

const form = document.querySelector('form:has([data-column])')
if (form) {
  for (const column of form.querySelectorAll('[data-column]')) shown(column)
  form.addEventListener('change', ({ target }) => {
    if (target.name.endsWith('-type')) shown(target.closest('[data-column]'))
  })
}

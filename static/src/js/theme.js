// The choices in the person menu, stored in this browser: colour scheme and format of times.
const CHOICES = { theme: 'weir-theme', times: 'weir-times' }
const DEFAULTS = { theme: 'system', times: 'relative' }

function read(name) {
  return localStorage.getItem(CHOICES[name]) ?? DEFAULTS[name]
}

for (const select of document.querySelectorAll('select[data-choice]')) {
  const name = select.dataset.choice
  select.value = read(name)
  select.addEventListener('change', () => {
    if (select.value === DEFAULTS[name]) localStorage.removeItem(CHOICES[name])
    else localStorage.setItem(CHOICES[name], select.value)
    if (name === 'times') document.documentElement.dataset.times = select.value
    document.dispatchEvent(new Event(`weir:${name}`))
  })
}

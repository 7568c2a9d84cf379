// Menus are <details> and work without scripts. This closes them on Escape, on outside clicks and on Tab.
function closeMenus(except) {
  for (const menu of document.querySelectorAll('details.menu[open]')) if (menu !== except) menu.open = false
}

document.addEventListener('click', (event) => closeMenus(event.target.closest('details.menu')))
document.addEventListener('focusin', (event) => closeMenus(event.target.closest('details.menu')))
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return
  const menu = document.querySelector('details.menu[open]')
  if (!menu) return
  menu.open = false
  menu.querySelector('summary').focus()
})

const toggle = document.querySelector('[data-nav-toggle]')
toggle?.addEventListener('click', () => {
  const open = document.getElementById('menu').classList.toggle('is-open')
  toggle.setAttribute('aria-expanded', String(open))
})

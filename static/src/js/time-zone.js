// Chooses the browser's time zone on the form of a new account, unless the form has come back with a choice.
// Browsers and the portal may know a place by different names (Calcutta, Kolkata): both are compared as the browser calls them.
function own(name) {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone
  } catch {
    return '' // this browser does not know the zone
  }
}

const here = Intl.DateTimeFormat().resolvedOptions().timeZone
for (const select of document.querySelectorAll('select[data-browser-zone]')) {
  const choices = [...select.options].map((option) => option.value)
  const found = choices.includes(here) ? here : choices.find((name) => own(name) === own(here))
  if (found && select.value === 'UTC' && !select.form.querySelector('[aria-invalid="true"]')) select.value = found
}

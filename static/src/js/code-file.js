// "Open a file…": puts a Python file of this computer into the editor. It can be undone with Ctrl+Z.
import { toast } from './toasts.js'

const LIMIT = 200_000

export function codeFile(form, editor) {
  const input = form.querySelector('#code-file')
  input.addEventListener('change', async () => {
    const file = input.files[0]
    input.value = ''
    if (!file) return
    const text = await read(file)
    if (text === null) return
    editor.write(text)
    toast(`${file.name} is in the editor. Ctrl+Z brings back what was there.`)
  })
}

async function read(file) {
  if (!file.name.toLowerCase().endsWith('.py')) return refused(`${file.name} is not a Python file. Choose one that ends in .py.`)
  if (file.size > LIMIT) return refused(`${file.name} has more than ${LIMIT.toLocaleString('en')} bytes. Choose a smaller file.`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer()).replace(/\r\n?/g, '\n')
  } catch {
    return refused(`${file.name} is not UTF-8 text. Save it as UTF-8.`)
  }
}

function refused(text) {
  toast(text, 'danger')
  return null
}

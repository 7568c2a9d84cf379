// What the editor completes: columns inside quotes and after a table's dot, packages after `import`, and with Ctrl+Space
// also the names of tables and words of the code.
import { completeAnyWord } from '@codemirror/autocomplete'

const IMPORT = /^\s*(?:import|from)\s+(\w*)$|^\s*import\s.*,\s*(\w*)$/
const QUOTED = /(?:\[|\[[^\]]*,|\(|,|=)\s*["']([^"'\n]*)$/
const NAME = /^[\p{L}_][\p{L}\p{N}_]*$/u

export function completions(form) {
  const { tables, packages } = JSON.parse(form.dataset.words)
  const columns = Object.entries(tables).flatMap(([table, names]) =>
    names.map((name) => ({ label: name, type: 'property', detail: table })))

  const importable = () => packages[form.elements.environment?.value] ?? []

  function known(context) {
    const { text, from } = context.state.doc.lineAt(context.pos)
    const before = text.slice(0, context.pos - from)
    const imported = IMPORT.exec(before)
    if (imported) return found(imported[1] ?? imported[2], importable().map((label) => ({ label, type: 'namespace' })))
    const quoted = QUOTED.exec(before)
    if (quoted) return found(quoted[1], columns)
    const [, table, start] = /(\w+)\.(\w*)$/.exec(before) ?? []
    if (table in tables) return found(start, columns.filter(({ label, detail }) => detail === table && NAME.test(label)))
    const word = /\w*$/.exec(before)[0]
    return context.explicit ? found(word, Object.keys(tables).map((label) => ({ label, type: 'variable' }))) : null

    function found(typed, options) {
      return { from: context.pos - typed.length, options, validFor: /^[^"'\n]*$/ }
    }
  }

  const anyWord = (context) => context.explicit ? completeAnyWord(context) : null
  return [known, anyWord]
}

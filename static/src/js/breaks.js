// Addresses and file names break after their punctuation, not within a word.
function divide() {
  for (const element of document.querySelectorAll('.breaks')) {
    if (element.querySelector('wbr') || element.children.length) continue
    const pieces = element.textContent.split(/(?<=[@._/-])/)
    element.replaceChildren(...pieces.flatMap((piece, place) => (place ? [document.createElement('wbr'), piece] : [piece])))
  }
}

divide()
document.addEventListener('htmx:afterSettle', divide)

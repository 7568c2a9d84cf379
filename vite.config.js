import { readFileSync, readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { defineConfig } from 'vite'

const entries = readdirSync('static/src/entries').filter((name) => name.endsWith('.js'))

/** Writes every outline icon as `icons.json` (name -> inner SVG) for the `icon` template tag. */
function icons() {
  const attributes = (values) => Object.entries(values).map(([name, value]) => ` ${name}="${value}"`).join('')
  return {
    name: 'weir-icons',
    generateBundle() {
      const nodes = JSON.parse(readFileSync('node_modules/@tabler/icons/tabler-nodes-outline.json', 'utf8'))
      const shapes = Object.entries(nodes).map(([name, parts]) => [
        name, parts.map(([tag, values]) => `<${tag}${attributes(values)}/>`).join('')
      ])
      this.emitFile({ type: 'asset', fileName: 'icons.json', source: JSON.stringify(Object.fromEntries(shapes)) })
    }
  }
}

/** Puts .br and .gz beside text files, which WhiteNoise then serves. */
function compressed() {
  return {
    name: 'weir-compressed',
    generateBundle: {
      order: 'post',
      handler(options, bundle) {
        for (const [fileName, part] of Object.entries(bundle)) {
          if (!/\.(js|css)$/.test(fileName)) continue
          const text = Buffer.from(part.type === 'chunk' ? part.code : part.source)
          this.emitFile({ type: 'asset', fileName: `${fileName}.br`, source: brotliCompressSync(text) })
          this.emitFile({ type: 'asset', fileName: `${fileName}.gz`, source: gzipSync(text) })
        }
      }
    }
  }
}

export default defineConfig({
  base: '/static/',
  publicDir: 'static/src/public',
  plugins: [icons(), compressed()],
  build: {
    outDir: 'static/build',
    emptyOutDir: true,
    manifest: 'manifest.json',
    assetsInlineLimit: 0,
    target: 'es2022',
    cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
    reportCompressedSize: false,
    rollupOptions: {
      // htmx holds one eval, switched off by its setting allowEval and by our content security policy.
      checks: { eval: false, bundlerTimings: false },
      input: Object.fromEntries(entries.map((name) => [basename(name, '.js'), `static/src/entries/${name}`]))
    }
  }
})

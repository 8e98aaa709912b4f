/** Builds the page of Neuroglancer as npm has it, whole and unmodified, into a folder. */
import { copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type Plugin } from 'esbuild';

const LIB = path.resolve(import.meta.dirname, '../../../node_modules/neuroglancer/lib');
const ENTRIES = ['main', 'chunk_worker', 'async_computation'];
/** For the three icons that ikonate of the registry does not have. */
const NO_ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"></svg>';
const PAGE = `<!doctype html><meta charset="utf-8"><title>Neuroglancer</title>
<link rel="stylesheet" href="./main.css"><body><div id="neuroglancer-container"></div>
<script type="module" src="./main.js"></script></body>`;

/** Icons as text; workers and WebAssembly as files beside the page, where their modules look for them once they are bundled. */
function asFiles(copies: Set<string>): Plugin {
  return {
    name: 'files beside the page',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\.svg\?raw$/ }, ({ path: name }) => ({
        path: path.join(LIB, '../..', name.replace('?raw', '')),
        namespace: 'icon',
      }));
      onLoad({ filter: /./, namespace: 'icon' }, async ({ path: file }) => ({
        contents: await readFile(file, 'utf8').catch(() => NO_ICON),
        loader: 'text',
      }));
      onLoad({ filter: /neuroglancer\/lib\/.*\.js$/ }, async ({ path: file }) => {
        const text = await readFile(file, 'utf8');
        if (!text.includes('import.meta.url')) return undefined;
        const contents = text.replace(/new URL\(\s*"([^"]+)"\s*,\s*import\.meta\.url\s*\)/g, (_, target: string) => {
          if (target.endsWith('.wasm')) copies.add(path.resolve(path.dirname(file), target));
          const name = path.basename(target).replace(/\.bundle\.js$/, '.js');
          return `new URL("./${name}", import.meta.url)`;
        });
        return { contents, loader: 'js' };
      });
    },
  };
}

/** @param folder an empty one that is there. */
export async function buildNeuroglancer(folder: string): Promise<void> {
  const copies = new Set<string>();
  await build({
    entryPoints: Object.fromEntries(ENTRIES.map((name) => [name, path.join(LIB, `${name}.bundle.js`)])),
    outdir: folder,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    logLevel: 'error',
    loader: { '.svg': 'dataurl', '.html': 'text' },
    plugins: [asFiles(copies)],
  });
  for (const file of copies)
    if ((await stat(file)).isFile()) await copyFile(file, path.join(folder, path.basename(file)));
  await writeFile(path.join(folder, 'index.html'), PAGE);
}

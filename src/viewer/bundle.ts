/**
 * Bundles the page that every server has at `/`: Neuroglancer as npm has it, our code around it, and nothing from anywhere else.
 *
 *   node dist/src/viewer/bundle.js [SOURCE_FOLDER [TARGET_FOLDER]]
 *
 * Made are `index.html` and `assets/NAME-HASH.EXT`; beside each asset that can be made smaller stands the same as `.br` and `.gz`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';

const require = createRequire(import.meta.url);
/** The folder of Neuroglancer's modules. */
const LIB = path.dirname(require.resolve('neuroglancer'));
/** For the three icons that ikonate of the registry does not have: stacked layers, as good as any. */
const NO_ICON =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="currentColor"><path d="m3 9 9-5 9 5-9 5zM3 14l9 5 9-5"/></svg>';
/** What of Neuroglancer is in the page: the rest is 1 MB that no volume of ours needs. */
const PARTS = ['datasource:precomputed', 'kvstore:http', 'layer:image', 'layer:segmentation'];
const CONDITIONS = [
  ...['datasource', 'kvstore', 'layer'].map((kind) => `neuroglancer/${kind}:none_by_default`),
  ...[...PARTS, 'layer:annotation'].map((part) => `neuroglancer/${part.replace(':', '/')}:enabled`),
];
/** Windows of Neuroglancer that `late-windows.ts` stands in for, and loads when one is opened. */
const LATE_WINDOWS = /\/ui\/(layer_data_sources_tab|screenshot_menu|segment_list|state_editor)\.js$/;
const COMPRESSIBLE = /\.(js|css|svg|wasm|html)$/;

/** Names of files in `assets`, by the name that modules call them by. */
type Names = Map<string, string>;

/** Where a bundle takes from, and puts to. */
interface Folders {
  readonly source: string;
  readonly assets: string;
  readonly names: Names;
}

/**
 * Makes the page.
 *
 * @param source `src/viewer/page`. @param target is made anew.
 */
export async function bundleViewer(source: string, target: string): Promise<void> {
  // Whole, then put in its place: a server that runs meanwhile keeps what it reads for a year.
  const fresh = `${target}.new`;
  await rm(fresh, { recursive: true, force: true });
  const assets = path.join(fresh, 'assets');
  await mkdir(assets, { recursive: true });
  const folders: Folders = { source, assets, names: new Map() };
  // One after the other: each names the files before it.
  await bundle({ 'async_computation.bundle.js': path.join(LIB, 'async_computation.bundle.js') }, folders);
  await bundle({ 'chunk-worker.js': path.join(source, 'neuroglancer/chunk-worker.ts') }, folders);
  await bundle({ 'early.js': path.join(source, 'early.ts') }, folders);
  const made = await bundle({ 'main.js': path.join(source, 'main.ts') }, folders, true);
  const page = await readFile(path.join(source, 'index.html'), 'utf8');
  await writeFile(
    path.join(fresh, 'index.html'),
    page.replace('<!-- files -->', linksTo(made, folders.names).join('\n    ')),
  );
  await compressAll(assets);
  await rm(target, { recursive: true, force: true });
  await rename(fresh, target);
}

/** Bundles some entries, by the names that modules know them by. */
async function bundle(
  entries: Readonly<Record<string, string>>,
  folders: Folders,
  splitting = false,
): Promise<Metafile> {
  const { assets, names } = folders;
  const options: BuildOptions = {
    entryPoints: Object.entries(entries).map(([name, file]) => ({ in: file, out: name.replace(/\.js$/, '') })),
    ...{ outdir: assets, bundle: true, format: 'esm', target: 'es2022', minify: true, splitting, metafile: true },
    ...{ entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]', assetNames: '[name]-[hash]' },
    ...{ logLevel: 'error', conditions: CONDITIONS, jsx: 'automatic', jsxImportSource: 'preact' },
    loader: { '.svg': 'dataurl', '.html': 'text' },
    plugins: [filesBeside(folders)],
  };
  const { metafile } = await build(options);
  for (const [name, file] of Object.entries(entries)) {
    const [output = ''] = Object.entries(metafile?.outputs ?? {}).find(([, made]) => isOf(made, file)) ?? [];
    names.set(name, path.basename(output));
  }
  return metafile ?? { inputs: {}, outputs: {} };
}

type Output = Metafile['outputs'][string];

function isOf({ entryPoint }: Output, file: string): boolean {
  return entryPoint !== undefined && path.resolve(entryPoint).endsWith(path.normalize(file));
}

/** What the page is told to load: nothing that it needs at once is to be found out on the way. */
function linksTo({ outputs }: Metafile, names: Names): string[] {
  const href = (name: string): string => `./assets/${name}`;
  const [main = '', { cssBundle = '' } = {}] = Object.entries(outputs).find((one) => isOf(one[1], '/main.ts')) ?? [];
  const atOnce = withImports(outputs, main);
  /** Those of a part that is loaded when the address asks for it. */
  const later = (file: string): string => {
    const [output = ''] = Object.entries(outputs).find(([, made]) => isOf(made, file)) ?? [];
    const files = [...withImports(outputs, output)].filter((name) => !atOnce.has(name));
    return files.map((name) => href(path.basename(name))).join(' ');
  };
  const parts = `data-view="${later('volume/show-volume.ts')}" data-home="${later('home/show-home.tsx')}"`;
  const worker = `data-worker="${href(names.get('chunk-worker.js') ?? '')}"`;
  return [
    `<script async src="${href(names.get('early.js') ?? '')}" ${parts} ${worker}></script>`,
    ...[...atOnce].slice(1).map((name) => `<link rel="modulepreload" href="${href(path.basename(name))}">`),
    `<script type="module" src="${href(path.basename(main))}"></script>`,
    // It holds the styles of what is loaded later, too.
    `<link rel="stylesheet" href="${href(path.basename(cssBundle))}">`,
  ];
}

/** An output, first, and all that it imports. */
function withImports(outputs: Metafile['outputs'], output: string, found = new Set<string>()): Set<string> {
  if (found.has(output)) return found;
  found.add(output);
  for (const { path: file, kind } of outputs[output]?.imports ?? [])
    if (kind === 'import-statement') withImports(outputs, file, found);
  return found;
}

/** Icons as text; workers and WebAssembly as files of their own, where their modules look for them once they are bundled. */
function filesBeside({ source, assets, names }: Folders): Plugin {
  return {
    name: 'files beside the page',
    setup({ onResolve, onLoad }) {
      // The editor of text fields comes when one is opened: see `late-editor.ts`.
      onResolve({ filter: /^codemirror(\/.*\.js)?$/ }, ({ path: name, importer }) => {
        if (!importer.includes(path.join('neuroglancer', 'lib'))) return undefined;
        if (name === 'codemirror') return { path: path.join(source, 'neuroglancer/late-editor.ts') };
        return { path: name, namespace: 'later' };
      });
      onLoad({ filter: /./, namespace: 'later' }, () => ({ contents: '' }));
      onResolve({ filter: LATE_WINDOWS }, ({ importer }) =>
        importer.includes(path.join('neuroglancer', 'lib'))
          ? { path: path.join(source, 'neuroglancer/late-windows.ts') }
          : undefined,
      );
      onResolve({ filter: /\.svg\?raw$/ }, ({ path: name }) => ({
        path: path.join(LIB, '../..', name.replace('?raw', '')),
        namespace: 'icon',
      }));
      onLoad({ filter: /./, namespace: 'icon' }, async ({ path: file }) => ({
        contents: await readFile(file, 'utf8').catch(() => NO_ICON),
        loader: 'text',
      }));
      onLoad({ filter: /(neuroglancer\/lib|viewer\/page)\/.*\.[jt]s$/ }, async ({ path: file }) => {
        const text = await readFile(file, 'utf8');
        const apart = takeMatricesApart(text);
        if (!text.includes('import.meta.url') && apart === text) return undefined;
        return { contents: await nameFiles(apart, file, assets, names), loader: file.endsWith('.ts') ? 'ts' : 'js' };
      });
    },
  };
}

const GEOMETRY = /import \{([^}]*)\} from "(#src\/util\/geom\.js|gl-matrix)";/g;

/** Has each kind of matrices imported from its own module of gl-matrix: by way of another, all of their functions would be in the page. */
function takeMatricesApart(text: string): string {
  return text.replace(GEOMETRY, (_, list: string, module: string) => {
    const names = list.split(',').map((name) => name.trim());
    const isKind = (name: string): boolean => /^(mat|vec)[234]$|^quat$/.test(name);
    const kinds = names.filter(isKind).map((name) => `import * as ${name} from "gl-matrix/esm/${name}.js";`);
    return `import {${names.filter((name) => !isKind(name)).join(', ')}} from "${module}"; ${kinds.join(' ')}`;
  });
}

const FILE_URL = /new URL\(\s*["']([^"']+)["']\s*,\s*import\.meta\.url\s*\)/g;

async function nameFiles(text: string, file: string, assets: string, names: Names): Promise<string> {
  for (const [, target = ''] of text.matchAll(FILE_URL))
    if (target.endsWith('.wasm')) await copyHashed(path.resolve(path.dirname(file), target), assets, names);
  return text.replace(FILE_URL, (_, target: string) => {
    const known = path.basename(target);
    return `new URL("./${names.get(known) ?? known}", import.meta.url)`;
  });
}

async function copyHashed(file: string, assets: string, names: Names): Promise<void> {
  const bytes = await readFile(file);
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 8).toUpperCase();
  const { name, ext, base } = path.parse(file);
  names.set(base, `${name}-${hash}${ext}`);
  await writeFile(path.join(assets, `${name}-${hash}${ext}`), bytes);
}

async function compressAll(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!COMPRESSIBLE.test(name)) continue;
    const bytes = await readFile(path.join(folder, name));
    const params = { [constants.BROTLI_PARAM_QUALITY]: 10, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
    await writeFile(path.join(folder, `${name}.br`), await promisify(brotliCompress)(bytes, { params }));
    await writeFile(path.join(folder, `${name}.gz`), await promisify(gzip)(bytes, { level: 9 }));
  }
}

const [, script = '', source = 'src/viewer/page', target = 'dist/viewer'] = process.argv;
if (path.resolve(script) === fileURLToPath(import.meta.url))
  await bundleViewer(path.resolve(source), path.resolve(target));

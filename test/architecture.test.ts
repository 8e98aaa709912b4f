/** Who may import whom. The table of src/README.md, as a test. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '..');

/** Folders that a folder may import from, besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  utility: ['protocol'],
  query: ['protocol', 'utility'],
  image: ['protocol', 'query', 'utility'],
  database: ['protocol', 'query', 'utility'],
  core: ['protocol', 'query', 'image', 'database', 'utility'],
  access: ['protocol', 'query', 'core', 'utility'],
  ingest: ['protocol', 'query', 'image', 'database', 'core', 'utility'],
  client: ['protocol'],
  viewer: ['protocol', 'client'],
  commands: ['protocol', 'query', 'image', 'ingest', 'client', 'utility'],
};
/** Files at the top of src: each may import everything. */
const TOP = ['server', 'cli', 'index'];

/** Packages that only these files may import. */
const ONE_PLACE: Readonly<Record<string, RegExp>> = {
  msgpackr: /^protocol\/msgpack\.ts$/,
  lmdb: /^src\/database\/lmdb-[a-z-]+\.ts$/,
  'prom-client': /^src\/access\/http\/metrics\.ts$/,
  'lru-cache': /^src\/core\/cache\.ts$/,
  ws: /^src\/(access\/transport\/ws-transport|client\/node)\.ts$/,
  'uWebSockets.js': /^src\/access\/transport\/uws-[a-z]+\.ts$/,
  pino: /^src\/utility\/log\.ts$/,
  piscina: /^src\/image\/(worker-tile-maker|tile-worker)\.ts$/,
  h5wasm: /^src\/image\/hdf5-[a-z]+\.ts$/,
  geotiff: /^src\/image\/tiff-[a-z]+\.ts$/,
  'fast-xml-parser': /^src\/image\/mojo-source\.ts$/,
  zarrita: /^src\/image\/zarr-[a-z]+\.ts$/,
  numcodecs: /^src\/image\/byte-codecs\.ts$/,
  'seek-bzip': /^src\/image\/byte-codecs\.ts$/,
  'xz-decompress': /^src\/image\/byte-codecs\.ts$/,
  'nifti-reader-js': /^src\/image\/nifti-[a-z]+\.ts$/,
  sharp: /^src\/image\//,
  yaml: /^src\/utility\/(((read|write)-auth-)?config|yaml-text)\.ts$/,
  zod: /^src\/utility\/(read-auth-)?config\.ts$/,
  jose: /^src\/access\/auth\/jwt\.ts$/,
  esbuild: /^src\/viewer\/bundle\.ts$/,
  codemirror: /^src\/viewer\/page\/neuroglancer\/editor-library\.ts$/,
  neuroglancer: /^src\/viewer\/page\/neuroglancer\/[a-z-]+(\.d)?\.ts$/,
  preact: /^src\/viewer\/page\//,
  '@preact/signals': /^src\/viewer\/page\//,
  commander: /^src\/(cli|commands\/[a-z-]+)\.ts$/,
  'cli-progress': /^src\/utility\/progress\.ts$/,
};

interface Import {
  readonly from: string;
  readonly to: string;
}

function sources(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder)).flatMap((name) => {
    const file = `${folder}/${name}`;
    if (statSync(path.join(ROOT, file)).isDirectory()) return sources(file);
    return /\.tsx?$/.test(name) ? [file] : [];
  });
}

const FILES = [...sources('protocol'), ...sources('src')];
const IMPORTS: Import[] = FILES.flatMap((from) => {
  const text = readFileSync(path.join(ROOT, from), 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)[^'";]*?from '([^']+)'|import\('([^']+)'\)|(?:^|\n)import '([^']+)'/g,
  );
  return [...found].map((match) => {
    const to = match[1] ?? match[2] ?? match[3] ?? '';
    return { from, to: to.startsWith('.') ? path.posix.join(path.posix.dirname(from), to) : to };
  });
});

function folderOf(file: string): string {
  const parts = file.split('/');
  if (parts[0] === 'protocol') return 'protocol';
  return parts.length === 2 ? 'top' : (parts[1] as string);
}

/** Whether a file must run in a browser. */
function isForBrowsers(file: string): boolean {
  const folder = folderOf(file);
  if (folder === 'client') return file !== 'src/client/node.ts';
  return folder === 'protocol' || file.startsWith('src/viewer/page/');
}

describe('architecture', () => {
  it('lets each folder import only what its row of the table names', () => {
    const wrong = IMPORTS.filter(({ from, to }) => {
      if (!to.startsWith('src/') && !to.startsWith('protocol/')) return false;
      const [home, target] = [folderOf(from), folderOf(to)];
      if (home === 'top') return !TOP.some((name) => from === `src/${name}.ts`);
      return home !== target && !(MAY_IMPORT[home] ?? []).includes(target);
    });
    expect(wrong).toEqual([]);
  });

  it('imports every exchangeable package in one place', () => {
    const wrong = IMPORTS.filter(({ from, to }) => {
      const name = to.startsWith('@') ? to.split('/').slice(0, 2).join('/') : to.split('/')[0];
      const place = Object.entries(ONE_PLACE).find(([known]) => known === name)?.[1];
      return place !== undefined && !place.test(from);
    });
    expect(wrong).toEqual([]);
  });

  it('has no import cycles, types included', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to } of IMPORTS) edges.set(from, [...(edges.get(from) ?? []), to]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
      if (done.has(file) || trail.includes(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...trail, file]);
      done.add(file);
    };
    for (const file of FILES) visit(file, []);
    expect(cycles).toEqual([]);
  });

  it('keeps Node out of the protocol, of the browser client and of the page', () => {
    const wrong = IMPORTS.filter(({ from, to }) => isForBrowsers(from) && (to.startsWith('node:') || to === 'ws'));
    expect(wrong).toEqual([]);
  });
});

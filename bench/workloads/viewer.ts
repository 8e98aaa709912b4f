/** How soon others see on their screen what one did: two windows of the viewer, software GL, an idle view. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { type MipInfo, volumeOf } from '../../protocol/volume.ts';
import { saveChannelRecord } from '../../src/core/channel.ts';
import { openLmdbDatabase } from '../../src/database/lmdb-database.ts';
import { makeTileFrame } from '../../src/image/tile.ts';
import { gridShape, tileBox, tilesIn } from '../../src/query/tile-grid.ts';

const PATH = 'bench/viewer/cubes/segments';
const MIP: MipInfo = { shape: [256, 256, 64], chunk: [64, 64, 64], voxel: [8, 8, 8], offset: [0, 0, 0] };
/** Segments are cubes. */
const EDGE = 16;
const CUBES_ALONG_X = MIP.shape[0] / EDGE;
const FLAGS = [
  ...['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
];
/** Between two edits: the view and the panels are idle again. */
const PAUSE_MS = 500;

/** Writes the volume. */
export async function makeViewerStore(dataDir: string): Promise<void> {
  const database = await openLmdbDatabase(dataDir);
  for (const [x, y, z] of tilesIn([0, 0, 0, ...gridShape(MIP)])) {
    const box = tileBox(MIP, x, y, z);
    const ids = new Uint32Array(volumeOf(MIP.chunk));
    for (let n = 0; n < ids.length; n++) {
      const [i, j, k] = [n % 64, (n >> 6) % 64, n >> 12];
      ids[n] = cubeAt(Math.floor((box[0] + i) / EDGE), Math.floor((box[1] + j) / EDGE), Math.floor(k / EDGE));
    }
    const raw = new Uint8Array(ids.buffer);
    const frame = await makeTileFrame({ raw, dtype: 'uint32', mip: 0, box, seq: 0, encoding: 'raw' });
    await database.commit({ tiles: [{ key: { channel: 1, mip: 0, x, y, z, version: 0 }, frame }] });
  }
  await saveChannelRecord(database, PATH, {
    ...{ number: 1, fingerprint: 'bench', epoch: '0102030405060708', sourceKind: 'bench', type: 'segmentation' },
    ...{ dtype: 'uint32', mips: [MIP], sourceMips: 1, ownChunks: [true], shifts: [[0, 0, 0]], ingested: true },
  });
  await database.close();
}

function cubeAt(x: number, y: number, z: number): number {
  return 1 + x + CUBES_ALONG_X * (y + (MIP.shape[1] / EDGE) * z);
}

/** From the call of an edit in one window until the other has drawn it, ms. */
export interface SeenAfter {
  readonly merge: number[];
  readonly paint: number[];
}

/** A browser, or undefined where there is none. */
export function openBrowser(): Promise<Browser | undefined> {
  const executablePath = process.env['BFLY_CHROMIUM'] ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, args: FLAGS }).catch(() => undefined);
}

/** Measures `count` merges and as many paints, each of segments that no other touched; on a store of its own. */
export async function measureViewer(browser: Browser, port: number, count: number): Promise<SeenAfter> {
  const [ada, ben] = [await openView(browser, port), await openView(browser, port)];
  await watch(ben);
  const merge: number[] = [];
  const paint: number[] = [];
  for (let n = 0; n < count; n++) {
    const [x, y] = [2 * (n % 7), Math.floor(n / 7)];
    const ids = [cubeAt(x, y, 2), cubeAt(x + 1, y, 2)];
    merge.push(await seenAfter(ada, ben, { op: 'merge', ids }, 'bodies'));
    const at = [x * EDGE + 4, y * EDGE + 4, 30] as const;
    const box = [...at, at[0] + 8, at[1] + 8, at[2] + 5];
    paint.push(await seenAfter(ada, ben, { op: 'write', box, value: ids[1] ?? 1 }, 'chunks'));
  }
  await Promise.all([ada.context().close(), ben.context().close()]);
  return { merge, paint };
}

async function openView(browser: Browser, port: number): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 900, height: 700 } });
  const page = await context.newPage();
  const state = {
    ...{ dimensions: { x: [8e-9, 'm'], y: [8e-9, 'm'], z: [8e-9, 'm'] }, position: [128, 128, 32] },
    ...{ layout: 'xy', crossSectionScale: 0.5 },
    layers: [{ type: 'segmentation', name: 'segments', source: `bfly://${PATH}`, notSelectedAlpha: 1 }],
  };
  await page.goto(`http://127.0.0.1:${port}/#!${encodeURIComponent(JSON.stringify(state))}`);
  await page.waitForFunction(
    'window.viewer?.isReady() && window.bfly?.stage.volumes[0]?.channel?.subscription.live === true',
    undefined,
    { timeout: 60_000 },
  );
  return page;
}

/** Has the window note when bodies and chunks came, and when they were drawn next. */
async function watch(page: Page): Promise<void> {
  await page.evaluate(`(() => {
    const now = () => performance.timeOrigin + performance.now();
    const waiting = { bodies: [], chunks: [] };
    const come = { bodies: false, chunks: false };
    const note = (kind) => { come[kind] = true; };
    const { layer } = viewer.layerManager.managedLayers[0];
    layer.displayState.segmentationGroupState.value.segmentEquivalences.changed.add(() => note('bodies'));
    const source = [...viewer.dataContext.rpc.objects.values()].find((one) => typeof one.addChunk === 'function');
    let owner = source;
    while (!Object.hasOwn(owner, 'addChunk')) owner = Object.getPrototypeOf(owner);
    const add = owner.addChunk;
    owner.addChunk = function (...all) { note('chunks'); return add.apply(this, all); };
    bfly.stage.on('drawn', () => {
      for (const kind of ['bodies', 'chunks']) {
        if (!come[kind]) continue;
        come[kind] = false;
        for (const tell of waiting[kind].splice(0)) tell(now());
      }
    });
    window.benchSeen = (kind) => new Promise((resolve) => waiting[kind].push(resolve));
  })()`);
}

async function seenAfter(ada: Page, ben: Page, op: object, kind: 'bodies' | 'chunks'): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  const seen = ben.evaluate(`window.benchSeen('${kind}')`) as Promise<number>;
  // So that the window listens before the edit is made.
  await ben.evaluate('0');
  const sent = (await ada.evaluate(`(() => {
    const at = performance.timeOrigin + performance.now();
    bfly.stage.volumes[0].channel.edit([${JSON.stringify(op)}]);
    return at;
  })()`)) as number;
  return (await seen) - sent;
}

/** The home page in a browser, on a server of its own. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Vec3 } from '../../protocol/volume.ts';
import { connect, type Session } from '../../src/client/node.ts';
import { idColor } from '../../src/viewer/page/home/id-color.ts';
import { rulesOf, testAuthority } from '../support/auth.ts';
import { hasChromium, openChromium } from '../support/chromium.ts';
import { type StaticFiles, serveFolder } from '../support/static-files.ts';
import { startTestServer, type TestServer, type TestServerOptions, type TestVolume } from '../support/test-server.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const SHAPE: Vec3 = [128, 120, 5];
const [NX, NY, NZ] = SHAPE;
const COUNT = NX * NY * NZ;
const MIDDLE = 2;
/** A ramp along x, other in each slice: 1 % of the slice lies below 20 + MIDDLE, 1 % above 146 + MIDDLE - 1. */
const em = Uint8Array.from({ length: COUNT }, (_, n) => 20 + (n % NX) + Math.floor(n / (NX * NY)));
/** Squares of 32 × 32 voxels, the first of them background. */
const ids = BigUint64Array.from({ length: COUNT }, (_, n) => {
  const [x, y] = [n % NX, Math.floor(n / NX) % NY];
  const square = (x >> 5) + 4 * (y >> 5);
  return square === 0 ? 0n : 2n ** 40n + BigInt(square);
});
const idBytes = new Uint8Array(ids.buffer);

const EM = 'fly/medulla/training/em';
const IDS = 'fly/medulla/training/ids';
const BROKEN = 'mouse/cortex/cube/broken';
const VOLUMES: readonly TestVolume[] = [
  { path: EM, data: em, shape: SHAPE, dtype: 'uint8' },
  { path: IDS, data: idBytes, shape: SHAPE, dtype: 'uint64', type: 'segmentation' },
  { path: 'fly/lobula/crop/em', data: em, shape: SHAPE, dtype: 'uint8' },
  {
    ...{ path: BROKEN, data: em, shape: SHAPE, dtype: 'uint8' },
    wrap: (source) => ({
      info: source.info,
      read: () => Promise.reject(new Error('the disk is away')),
      close: () => source.close(),
    }),
  },
];

const ENTRY = `
import { connect } from './src/client/index.ts';
import { showHome } from './src/viewer/page/home/show-home.tsx';
const asked = new URLSearchParams(location.search);
window.opened = [];
const session = await connect(asked.get('server'), { name: 'Reader', token: asked.get('token') ?? undefined });
const on = session.on.bind(session);
window.listeners = 0;
session.on = (name, listener) => {
  window.listeners++;
  const end = on(name, listener);
  return () => {
    window.listeners--;
    end();
  };
};
window.leave = showHome(document.querySelector('#page'), {
  session,
  linkTo: (paths) => '?view=' + paths.join(','),
  open: (paths) => window.opened.push(paths),
});`;

async function buildPage(folder: string): Promise<void> {
  await build({
    stdin: { contents: ENTRY, resolveDir: ROOT, loader: 'ts' },
    ...{ outfile: path.join(folder, 'page.js'), bundle: true, format: 'esm', target: 'es2022', logLevel: 'error' },
    ...{ jsx: 'automatic', jsxImportSource: 'preact' },
  });
  await writeFile(path.join(folder, 'style.css'), await readFile(path.join(ROOT, 'src/viewer/page/style.css')));
  await writeFile(
    path.join(folder, 'index.html'),
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Home</title><link rel="icon" href="data:,"><link rel="stylesheet" href="./style.css"><link rel="stylesheet" href="./page.css">
    <div id="page" class="page"></div><script type="module" src="./page.js"></script></html>`,
  );
}

describe.skipIf(!hasChromium('the home page'))('home page', { timeout: 60_000 }, () => {
  let folder = '';
  let files: StaticFiles;
  let browser: Browser;
  let server: TestServer;
  let page: Page;
  let complaints: string[];
  const sessions: Session[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'bfly-home-'));
    await buildPage(folder);
    files = await serveFolder(folder);
    browser = await openChromium();
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await files?.close();
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
    page.setDefaultTimeout(15_000);
    complaints = [];
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
  });
  afterEach(async () => {
    await page.close();
    for (const session of sessions.splice(0)) await session.close();
    await server.stop(0);
    // A browser tells of every socket that it could not open.
    expect(complaints.filter((text) => !text.includes('WebSocket'))).toEqual([]);
  });

  async function open(options: Partial<TestServerOptions> = {}, token?: string): Promise<void> {
    server = await startTestServer({ kind: 'ws', volumes: VOLUMES, ...options });
    const asked = new URLSearchParams({ server: server.url, ...(token === undefined ? {} : { token }) });
    await page.goto(`${files.url}/?${asked}`);
    await page.waitForSelector('.home-main > .home-level, .home-page-note');
  }

  async function join(name: string, color: string): Promise<Session> {
    const session = await connect(server.url, { name, color });
    sessions.push(session);
    return session;
  }

  const card = (channel: string) => page.locator(`.home-card[data-path="${channel}"]`);
  const textOf = (selector: string): Promise<string[]> => page.locator(selector).allInnerTexts();
  const focused = (): Promise<string> => page.evaluate('document.activeElement.textContent');

  /** Pixels of a thumbnail, once it is drawn. */
  async function pixelsOf(channel: string): Promise<{ width: number; height: number; rgba: number[] }> {
    const canvas = card(channel).locator('canvas');
    await canvas.waitFor();
    return canvas.evaluate((element) => {
      const { width, height } = element as HTMLCanvasElement; // it is one
      const image = (element as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height);
      return { width, height, rgba: [...(image?.data ?? [])] };
    });
  }

  it('shows experiments, samples, datasets and channels as headings and links', async () => {
    await open();
    await card(BROKEN).waitFor();
    const titles = await page.locator('.home-group-title').allTextContents();
    expect(titles.map((title) => title.replace(/\s*›\s*|\s+/g, ' '))).toEqual([
      'experiment fly 2 samples',
      'sample lobula dataset crop 1 channel',
      'sample medulla dataset training 2 channels',
      'experiment mouse sample cortex dataset cube 1 channel',
    ]);
    expect(await page.locator('h2, h3, h4').evaluateAll((all) => all.map(({ tagName }) => tagName))).toEqual([
      ...['H2', 'H3', 'H4', 'H3', 'H4', 'H4', 'H2', 'H3'],
    ]);
    expect(await card(EM).locator('a').getAttribute('href')).toBe(`?view=${EM}`);
  });

  it('says what a channel is: kind, size in two ways, voxels', async () => {
    await open();
    await card(IDS).locator('.home-facts').waitFor();
    const facts = (await card(IDS).locator('dd').allInnerTexts()).map((text) => text.replace(/\s+/g, ' '));
    expect(facts).toEqual(['segmentation uint64', '128 × 120 × 5 nm', '128 × 120 × 5 of 1 nm']);
    await expect.poll(() => card(IDS).locator('.home-edit').textContent()).toBe('No edits yet');
  });

  it('draws the middle slice of an image with the contrast of 1 % to 99 %', async () => {
    await open();
    const { width, height, rgba } = await pixelsOf(EM);
    expect([width, height]).toEqual([NX, NY]);
    // Of each row 1 % is one voxel at each end.
    const [low, high] = [20 + MIDDLE + 1, 20 + MIDDLE + NX - 2];
    const wrong: string[] = [];
    for (let n = 0; n < NX * NY; n++) {
      const value = em[MIDDLE * NX * NY + n] ?? 0;
      const grey = Math.round((255 * Math.min(high - low, Math.max(0, value - low))) / (high - low));
      const pixel = rgba.slice(4 * n, 4 * n + 4);
      if (pixel.join() !== [grey, grey, grey, 255].join()) wrong.push(`${n}: ${pixel} is not ${grey}`);
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  it('draws each segment in the colour of its id, and background black', async () => {
    await open();
    const { rgba } = await pixelsOf(IDS);
    const at = (x: number, y: number): number[] => rgba.slice(4 * (y * NX + x), 4 * (y * NX + x) + 4);
    expect(at(3, 3)).toEqual([0, 0, 0, 255]);
    expect(at(40, 3)).toEqual([...idColor(2n ** 40n + 1n), 255]);
    expect(at(3, 40)).toEqual([...idColor(2n ** 40n + 4n), 255]);
    expect(at(127, 119)).toEqual([...idColor(2n ** 40n + 15n), 255]);
  });

  it('says quietly that a thumbnail failed, with the reason for who asks', async () => {
    await open();
    const failed = card(BROKEN).locator('.home-thumbnail-failed');
    await failed.waitFor();
    expect(await failed.textContent()).toBe('No picture');
    expect(await failed.getAttribute('title')).not.toBe('');
    await card(BROKEN).locator('.home-facts').waitFor();
  });

  it('has one true link to a dataset, image and segmentation together, that a plain click gives to the page', async () => {
    await open();
    const link = page.locator('.home-together');
    await link.first().waitFor();
    expect(await link.allInnerTexts()).toEqual(['Open em + ids']);
    expect(await link.getAttribute('href')).toBe(`?view=${EM},${IDS}`);
    await link.click();
    await card(EM).click();
    expect(await page.evaluate('window.opened')).toEqual([[EM, IDS], [EM]]);
    const [tab] = await Promise.all([page.context().waitForEvent('page'), card(IDS).click({ button: 'middle' })]);
    expect(new URL(tab.url()).search).toBe(`?view=${IDS}`);
    await tab.close();
  });

  it('shows who is in a channel while they are there, in their colour', async () => {
    await open();
    const ada = await join('Ada Lovelace', '#3fa9f5');
    const live = ada.subscribe(IDS, { presence: true });
    await live.ready;
    live.presence.set({ cursor: [1, 2, 3] });
    const person = card(IDS).locator('.home-person');
    await person.waitFor();
    expect(await person.textContent()).toBe('Ada Lovelace');
    expect(await person.locator('.home-dot').evaluate((dot) => getComputedStyle(dot).backgroundColor)).toBe(
      'rgb(63, 169, 245)',
    );
    expect(await card(EM).locator('.home-person').count()).toBe(0);
    live.close();
    await person.waitFor({ state: 'detached' });
  });

  it('is nobody to the others', async () => {
    await open();
    await expect.poll(() => server.hub.presence.size).toBe(4);
    const ada = await join('Ada', '#3fa9f5');
    const bo = await join('Bo', '#ff0000');
    const [live, other] = [ada.subscribe(IDS, { presence: true }), bo.subscribe(IDS, { presence: true })];
    await Promise.all([live.ready, other.ready]);
    const heard = new Promise<void>((done) => live.on('peers', () => done()));
    other.presence.set({ tool: 'merge' });
    await heard;
    expect([...live.peers.values()].map(({ name }) => name)).toEqual(['Bo']);
  });

  it('shows the newest edit: who, what and when, that of before as well as the next', async () => {
    await open();
    const ada = await join('Ada Lovelace', '#3fa9f5');
    await card(EM).locator('.home-facts').waitFor();
    await ada.edit(IDS, [{ op: 'merge', ids: [2n ** 40n + 1n, 2n ** 40n + 2n] }]);
    const line = card(IDS).locator('.home-edit');
    await expect.poll(() => line.textContent()).toContain('Ada Lovelace merged just now');
    expect(await line.locator('time').getAttribute('datetime')).toMatch(/^\d{4}-\d\d-\d\dT/);
    const bo = await join('Bo', '#ff0000');
    await bo.edit(IDS, [{ op: 'cleave', ids: [2n ** 40n + 1n] }]);
    await expect.poll(() => line.textContent()).toContain('Bo cleaved just now');
    await page.reload();
    await expect.poll(() => line.textContent()).toContain('Bo cleaved just now');
  });

  it('draws a thumbnail anew where voxels were painted', async () => {
    await open();
    await pixelsOf(EM);
    const ada = await join('Ada', '#3fa9f5');
    await ada.edit(EM, [{ op: 'write', box: [0, 0, MIDDLE, 64, 64, MIDDLE + 1], value: 255 }]);
    await expect.poll(async () => (await pixelsOf(EM)).rgba[0], { timeout: 15_000 }).toBe(255);
  });

  it('searches by path as one types, and marks what it found', async () => {
    await open();
    await page.keyboard.press('/');
    await page.keyboard.type('fly EM');
    await expect.poll(() => textOf('.home-card-name')).toEqual(['em', 'em']);
    expect(await textOf('.home-summary')).toEqual(['2 channels of 4']);
    expect(await textOf('.home-hit')).toEqual(['fly', 'em', 'em']);
    await page.keyboard.press('Enter');
    expect(await focused()).toBe('em');
    await page.keyboard.press('/');
    await page.keyboard.press('End');
    await page.keyboard.type(' nowhere');
    await expect.poll(() => textOf('.home-summary')).toEqual(['No channel has “fly EM nowhere” in its path.']);
    expect(await page.locator('.home-card').count()).toBe(0);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.home-card').count()).toBe(4);
  });

  it('is walked with the keyboard alone', async () => {
    await open();
    await card(BROKEN).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.press('ArrowDown');
    expect(await focused()).toContain('fly');
    await page.keyboard.press('ArrowLeft');
    await expect.poll(() => page.locator('.home-card').count()).toBe(1);
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => page.locator('.home-card').count()).toBe(4);
    for (const name of ['crop', 'em', 'training', 'em', 'ids', 'cube']) {
      await page.keyboard.press('ArrowDown');
      expect(await focused()).toContain(name);
    }
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    expect(await page.evaluate('window.opened')).toEqual([[IDS]]);
    await page.keyboard.press('ArrowLeft');
    expect(await focused()).toContain('training');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowLeft');
    expect(await focused()).toContain('fly');
    // Whoever knows no arrows comes through with Tab.
    await page.keyboard.press('Tab');
    expect(await focused()).toContain('lobula');
  });

  it('draws some of very many channels, and more where one asks', async () => {
    const many = Array.from({ length: 150 }, (_, n) => ({
      ...{ path: `fly/s/d/c${String(n).padStart(3, '0')}`, data: em, shape: SHAPE, dtype: 'uint8' as const },
    }));
    await open({ volumes: many });
    await expect.poll(() => page.locator('.home-card').count()).toBe(60);
    await page.getByRole('button', { name: 'Show 60 more of 150 channels' }).click();
    await page.getByRole('button', { name: 'Show 30 more of 150 channels' }).click();
    await expect.poll(() => page.locator('.home-card').count()).toBe(150);
    // Only what is on screen is followed; the buttons, at the end of the page, may have been reached before the first card was drawn.
    await card('fly/s/d/c000').scrollIntoViewIfNeeded();
    await card('fly/s/d/c000').locator('canvas').waitFor();
    expect(await card('fly/s/d/c149').locator('.home-facts').count()).toBe(0);
    await card('fly/s/d/c149').scrollIntoViewIfNeeded();
    await card('fly/s/d/c149').locator('canvas').waitFor();
  });

  it('says how to add data where nothing is served', async () => {
    await open({ volumes: [] });
    expect(await page.locator('.home-page-note h2').textContent()).toBe('Nothing is served here yet');
    expect(await textOf('.home-page-note code')).toEqual([
      ...['bfly serve ~/data', 'bfly serve ~/data/my.h5', 'bfly serve --demo'],
    ]);
  });

  it('says who one is and what to ask for where a token allows nothing', async () => {
    const token = 'a-token-that-is-long-enough-to-be-one';
    const rules = await rulesOf(`
tokens:
  - {token: ${JSON.stringify(token)}, user: ada, name: Ada Lovelace, grants: {elsewhere: read}}
`);
    await open({ authority: testAuthority(rules) }, token);
    expect(await page.locator('.home-page-note h2').textContent()).toBe('Nothing here for you yet');
    const text = await page.locator('.home-page-note').textContent();
    expect(text).toContain('Ada Lovelace');
    expect(text).toContain("bfly token --user ada --grant 'EXPERIMENT=read'");
  });

  it('says that the connection is lost', async () => {
    await open();
    await card(EM).locator('.home-facts').waitFor();
    await server.stop(0);
    await expect.poll(() => page.locator('.home-connection').textContent()).toContain('The connection is lost');
    expect(await card(EM).locator('.home-facts').count()).toBe(1);
    server = await startTestServer({ kind: 'ws', volumes: [] });
  });

  it('fits a phone without scrolling sideways', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await open();
    await card(IDS).locator('canvas').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
  });

  it('leaves nothing behind when it ends', async () => {
    await open();
    await card(EM).locator('canvas').waitFor();
    await expect.poll(() => server.hub.presence.size).toBe(4);
    expect(await page.evaluate('window.listeners')).toBeGreaterThan(0);
    await page.evaluate('window.leave()');
    expect(await page.evaluate('window.listeners')).toBe(0);
    await expect.poll(() => server.hub.presence.size).toBe(0);
    expect(await page.locator('#page > *').count()).toBe(0);
  });
});

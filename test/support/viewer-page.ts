/** One person at the viewer: a browser's window on a view, driven as people do, and what is on the screen. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import sharp from 'sharp';
import type { VolumeView } from '../../src/viewer/page/volume/volume-view.ts';
import { SEGMENTS } from './viewer-server.ts';

declare global {
  interface Window {
    /** What the page gives scripts. */
    bfly: VolumeView;
    viewer: { isReady(): boolean };
  }
}

/** A colour on the screen. */
export type Colour = readonly [red: number, green: number, blue: number];

const READY_MS = 60_000;
const SIZE = { width: 1280, height: 720 };
/** Only the segments, each in its full colour: a pixel tells which body it is. */
const SEGMENTS_ONLY = {
  dimensions: { x: [1e-8, 'm'], y: [1e-8, 'm'], z: [1e-8, 'm'] },
  position: [125.5, 125.5, 125.5],
  crossSectionScale: 0.25,
  layers: [
    {
      ...{ type: 'segmentation', name: 'segmentation', source: `bfly://${SEGMENTS}` },
      ...{ selectedAlpha: 1, notSelectedAlpha: 1, saturation: 1 },
    },
  ],
  layout: 'xy',
  showAxisLines: false,
  showScaleBar: false,
};

/** A window. */
export class ViewerPage {
  readonly name: string;
  readonly page: Page;
  readonly context: BrowserContext;
  /** What the page complained of, each line once it came. */
  readonly complaints: string[] = [];
  /** Files of the page that were asked for, by name. */
  readonly assets = new Set<string>();

  private constructor(name: string, context: BrowserContext, page: Page) {
    this.name = name;
    this.context = context;
    this.page = page;
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(`${message.text()} ${message.location().url}`);
    });
    context.on('request', (request) => {
      const asset = /\/assets\/([^/?#]+)$/.exec(request.url())?.[1];
      if (asset !== undefined) this.assets.add(asset);
    });
    page.on('pageerror', (error) => this.complaints.push(String(error.stack ?? error)));
  }

  /**
   * Opens a window on the segments alone, in one panel, 4 pixels a voxel.
   *
   * @param origin such as `http://127.0.0.1:2001`. @param token as if it had been given before.
   */
  static async open(browser: Browser, origin: string, name: string, token?: string): Promise<ViewerPage> {
    const context = await browser.newContext({ viewport: SIZE });
    await context.addInitScript(
      (identity) => {
        // A blank page keeps nothing.
        if (location.protocol === 'about:') return;
        if (localStorage.getItem('bfly.identity') === null) localStorage.setItem('bfly.identity', identity);
      },
      JSON.stringify({ name, color: '#e6194b' }),
    );
    if (token !== undefined)
      await context.addInitScript((given) => {
        if (location.protocol === 'about:') return;
        if (sessionStorage.getItem('bfly.token') === null) sessionStorage.setItem('bfly.token', given);
      }, token);
    const view = new ViewerPage(name, context, await context.newPage());
    await view.page.goto(`${origin}/#!${encodeURIComponent(JSON.stringify(SEGMENTS_ONLY))}`);
    await view.ready();
    return view;
  }

  /** Waits until everything that the view shows is there, and the edits too. */
  async ready(): Promise<void> {
    await this.page.waitForFunction(
      (path) => {
        const volume = window.bfly?.stage.volumes.find((one) => one.path === path);
        return volume?.channel?.subscription.live === true && window.viewer.isReady();
      },
      SEGMENTS,
      { timeout: READY_MS },
    );
  }

  /** The root that this window knows of an id. */
  root(id: number): Promise<string> {
    return this.page.evaluate(
      ([path, of]) =>
        String(window.bfly.stage.volumes.find((one) => one.path === path)?.channel?.view.rootOf(BigInt(of))),
      [SEGMENTS, id] as const,
    );
  }

  /** The newest edit that this window knows of. */
  seq(): Promise<number> {
    return this.page.evaluate(
      (path) => window.bfly.stage.volumes.find((one) => one.path === path)?.channel?.subscription.seq ?? 0,
      SEGMENTS,
    );
  }

  /** Pixel of the screen where a voxel is drawn. */
  async pixelOf(voxel: readonly [number, number, number]): Promise<{ x: number; y: number }> {
    const found = await this.page.evaluate((at) => {
      const panel = window.bfly.stage.panels[0];
      const point = panel?.project([(at[0] + 0.5) * 10, (at[1] + 0.5) * 10, (at[2] + 0.5) * 10]);
      const box = panel?.element.getBoundingClientRect();
      return point === undefined || box === undefined ? undefined : { x: box.x + point.x, y: box.y + point.y };
    }, voxel);
    if (found === undefined) throw new Error(`voxel ${voxel.join(', ')} is not on the screen of ${this.name}`);
    return found;
  }

  /** Colours of voxels, as they are on the screen. */
  async colours(voxels: readonly (readonly [number, number, number])[]): Promise<Colour[]> {
    const pixels = await Promise.all(voxels.map((voxel) => this.pixelOf(voxel)));
    const { data, info } = await sharp(await this.page.screenshot())
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    return pixels.map(({ x, y }) => {
      const at = 3 * (Math.round(y) * info.width + Math.round(x));
      return [data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0];
    });
  }

  /**
   * Brings the pointer beside a voxel of a segment, and waits until the view knows what is under it. Beside: the others see a mark there, which is
   * not to lie over the voxel.
   */
  async point([vx, vy, vz]: readonly [number, number, number], id: number): Promise<void> {
    const { x, y } = await this.pixelOf([vx + 3, vy + 3, vz]);
    await this.until(`segment ${id} under the pointer`, async () => {
      // The pointer is looked at when it moves.
      await this.page.mouse.move(x + 1, y);
      await this.page.mouse.move(x, y);
      return this.page.evaluate(
        ([path, of]) =>
          String(window.bfly.stage.volumes.find((one) => one.path === path)?.hovered?.base) === String(of),
        [SEGMENTS, id] as const,
      );
    });
  }

  /** Draws a stroke with the left button, from one voxel to another. */
  async drag(from: readonly [number, number, number], to: readonly [number, number, number]): Promise<void> {
    const [a, b] = [await this.pixelOf(from), await this.pixelOf(to)];
    await this.page.mouse.move(a.x, a.y);
    await this.page.mouse.down();
    await this.page.mouse.move(b.x, b.y, { steps: 5 });
    await this.page.mouse.up();
  }

  /** Waits until two voxels have the same colour on the screen, or until they do not. */
  async untilAlike(
    a: readonly [number, number, number],
    b: readonly [number, number, number],
    alike: boolean,
  ): Promise<void> {
    const end = Date.now() + READY_MS;
    for (;;) {
      const [one, other] = await this.colours([a, b]);
      if ((String(one) === String(other)) === alike) return;
      if (Date.now() > end)
        throw new Error(
          `${this.name}: ${a} is ${one} and ${b} is ${other}, which should be ${alike ? '' : 'not '}alike`,
        );
      await this.page.waitForTimeout(100);
    }
  }

  /** Waits for something on the page. */
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + READY_MS;
    while (!(await holds())) {
      if (Date.now() > end) throw new Error(`${this.name}: ${what} never came`);
      await this.page.waitForTimeout(50);
    }
  }

  async close(): Promise<void> {
    await this.context.close();
  }
}

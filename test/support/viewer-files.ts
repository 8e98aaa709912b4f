/** A small page as `npm run build` leaves it, in a folder of its own. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

export const PAGE_HTML =
  '<!doctype html><title>Butterfly</title><script type="module" src="./assets/main-0A1B2C3D.js"></script>\n';
/** Text of the files of `assets`; those that can be made smaller stand there compressed too. */
export const ASSETS: Readonly<Record<string, string>> = {
  'main-0A1B2C3D.js': 'console.log("a page");\n'.repeat(200),
  'main-0A1B2C3D.css': 'body { margin: 0 }\n'.repeat(200),
  'main-0A1B2C3D.js.map': '{"version": 3}'.padEnd(3_000),
  'libpng-C6BBFC55.wasm': `\0asm${'.'.repeat(3_000)}`,
  'icon-11112222.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>'.padEnd(2_000),
  'logo-33334444.png': 'a picture',
  'sans-55556666.woff2': 'a font',
};
const COMPRESSED = /\.(js|css|wasm|svg)$/;

/** The folder. */
export class ViewerFiles {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes a folder without a page. */
  static async make(): Promise<ViewerFiles> {
    return new ViewerFiles(await mkdtemp(path.join(tmpdir(), 'bfly-viewer-')));
  }

  /** Writes the page, as a build does: its files first. */
  async build(html = PAGE_HTML, assets: Readonly<Record<string, string>> = ASSETS): Promise<void> {
    const folder = path.join(this.folder, 'assets');
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder);
    for (const [name, text] of Object.entries(assets)) {
      await writeFile(path.join(folder, name), text);
      if (!COMPRESSED.test(name)) continue;
      await writeFile(path.join(folder, `${name}.br`), brotliCompressSync(text));
      await writeFile(path.join(folder, `${name}.gz`), gzipSync(text));
    }
    await writeFile(path.join(this.folder, 'index.html'), html);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

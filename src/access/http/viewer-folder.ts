/** The files of the viewer as they were built: each is read once, and again only when the page was built anew. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Coding } from './accept-encoding.ts';
import { digestOf } from './etag.ts';
import type { WebBody } from './route.ts';

/** A file, with the forms that stand beside it. */
export interface ViewerFile {
  /** Content-Type. */
  readonly type: string;
  /** Names the bytes. */
  readonly etag: string;
  readonly body: WebBody;
  readonly encoded: Readonly<Partial<Record<Coding, WebBody>>>;
}

/** What was built at one time. */
export interface BuiltViewer {
  readonly page: ViewerFile;
  /** By their names, which hold a digest of what is in them. */
  readonly assets: ReadonlyMap<string, ViewerFile>;
}

const PAGE = 'index.html';
const HTML = 'text/html; charset=utf-8';
/** Ends of the names of files that hold another in a coding. */
const ENDS: Readonly<Record<Coding, string>> = { br: '.br', gzip: '.gz' };
/** Names that are served: none begins with a dot. */
const ASSET = /^\w[\w.~+-]*$/;
const TYPES: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.html': HTML,
  '.txt': 'text/plain; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.wasm': 'application/wasm',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
};

/** `index.html` and the folder `assets` beside it, with `FILE.br` and `FILE.gz` where they were made. */
export class ViewerFolder {
  readonly #folder: string;
  #built: BuiltViewer | undefined;
  #stamp: string | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The page as it is built now; undefined where it is not. */
  async current(): Promise<BuiltViewer | undefined> {
    const stamp = await this.#look();
    if (stamp === undefined) this.#built = undefined;
    else if (this.#built === undefined || stamp !== this.#stamp) this.#built = await this.#read();
    this.#stamp = stamp;
    return this.#built;
  }

  /** A file of `assets`, at once where it is known. */
  asset(name: string): ViewerFile | undefined | Promise<ViewerFile | undefined> {
    const known = this.#built?.assets.get(name);
    if (known !== undefined) return known;
    return this.current().then((built) => built?.assets.get(name));
  }

  /** Another text whenever something was built. */
  async #look(): Promise<string | undefined> {
    try {
      const [page, assets] = await Promise.all([stat(this.#at(PAGE)), stat(this.#at('assets'))]);
      return page.isFile() ? `${page.mtimeMs} ${page.size} ${assets.mtimeMs}` : undefined;
    } catch {
      return undefined;
    }
  }

  async #read(): Promise<BuiltViewer | undefined> {
    try {
      const [html, beside, names] = await Promise.all([
        readFile(this.#at(PAGE)),
        readdir(this.#folder),
        readdir(this.#at('assets'), { withFileTypes: true }),
      ]);
      const files = new Set(names.filter((entry) => entry.isFile()).map(({ name }) => name));
      const assets = [...files].filter((name) => ASSET.test(name) && !isCoded(name, files));
      return {
        page: { type: HTML, etag: digestOf(html), body: html, encoded: this.#encoded(PAGE, new Set(beside)) },
        assets: new Map(assets.map((name) => [name, this.#file(name, files)])),
      };
    } catch {
      // It is being built.
      return undefined;
    }
  }

  #file(name: string, files: ReadonlySet<string>): ViewerFile {
    const type = TYPES[path.extname(name).toLowerCase()] ?? 'application/octet-stream';
    const encoded = this.#encoded(name, files, 'assets');
    return { type, etag: name, body: once(this.#at('assets', name)), encoded };
  }

  #encoded(name: string, files: ReadonlySet<string>, folder = '.'): ViewerFile['encoded'] {
    const body = (coding: Coding): Partial<Record<Coding, WebBody>> => {
      const coded = name + ENDS[coding];
      return files.has(coded) ? { [coding]: once(this.#at(folder, coded)) } : {};
    };
    return { ...body('br'), ...body('gzip') };
  }

  #at(...names: string[]): string {
    return path.join(this.#folder, ...names);
  }
}

/** Whether a file only holds another one in a coding: such a one is not served by its own name. */
function isCoded(name: string, files: ReadonlySet<string>): boolean {
  return Object.values(ENDS).some((end) => name.endsWith(end) && files.has(name.slice(0, -end.length)));
}

/** The bytes of a file, read when they are first asked for, and then kept. Shared. */
function once(file: string): () => Uint8Array | Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  let reading: Promise<Uint8Array> | undefined;
  return () => {
    if (bytes !== undefined) return bytes;
    reading ??= readFile(file).then(
      (read) => {
        bytes = read;
        return read;
      },
      (error: unknown) => {
        reading = undefined;
        throw error;
      },
    );
    return reading;
  };
}

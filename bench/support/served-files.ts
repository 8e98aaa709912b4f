/** Chunks as files: what our own server answers, under the same names, for nginx to serve. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Box } from '../../protocol/volume.ts';
import { gridShape, tileBox, tilesIn } from '../../src/query/tile-grid.ts';
import { type BenchChannel, levelOf } from './store.ts';

/** Files of a channel's level. */
export interface ServedFiles {
  /** URL paths of the chunks in precomputed. */
  readonly precomputed: readonly string[];
  /** The file of a tile in precomputed; undefined where there is none. */
  read(box: Box): Uint8Array | undefined;
}

/** Asks a server for every chunk, as precomputed and, where `zarr`, as Zarr too, and writes them into `folder`. */
export async function mirrorChannel(
  port: number,
  channel: BenchChannel,
  folder: string,
  zarr: boolean,
): Promise<ServedFiles> {
  const level = levelOf(channel);
  const tiles = [...tilesIn([0, 0, 0, ...gridShape(level)])];
  const scale = `/precomputed/${channel.path}/${await scaleKey(port, channel.path)}`;
  const precomputed = tiles.map((tile) => `${scale}/${chunkName(tileBox(level, ...tile))}`);
  const keys = zarr ? ['zarr.json', '0/zarr.json', ...tiles.map(([x, y, z]) => `0/c/${z}/${y}/${x}`)] : [];
  for (const name of [...precomputed, ...keys.map((key) => `/zarr/${channel.path}/${key}`)]) {
    const answer = await fetch(`http://127.0.0.1:${port}${name}`, { headers: { 'accept-encoding': 'identity' } });
    if (!answer.ok) throw new Error(`${name} was answered ${answer.status}`);
    const file = path.join(folder, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, new Uint8Array(await answer.arrayBuffer()));
  }
  const names = new Set(precomputed);
  return {
    precomputed,
    read: (box) => {
      const name = `${scale}/${chunkName(box)}`;
      return names.has(name) ? readFileSync(path.join(folder, name)) : undefined;
    },
  };
}

function chunkName([x0, y0, z0, x1, y1, z1]: Box): string {
  return `${x0}-${x1}_${y0}-${y1}_${z0}-${z1}`;
}

async function scaleKey(port: number, channel: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/precomputed/${channel}/info`);
  const { scales } = (await answer.json()) as { readonly scales: readonly { readonly key: string }[] };
  return scales[0]?.key ?? '';
}

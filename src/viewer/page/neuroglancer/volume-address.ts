/** Addresses of volumes in views: `PATH`, and behind each `@` a wish: a seq, `merged`, or the name of an encoding. */
import type { SegmentMap } from '../../../client/index.ts';

/** What an address names. */
export interface VolumeAddress {
  readonly path: string;
  /** As of this edit; undefined = as it is now, and lives on. */
  readonly at: number | undefined;
  readonly map: SegmentMap;
}

/** Reads an address. What a wish means that is none of these, the server says when it is asked. */
export function readAddress(address: string): VolumeAddress {
  const [path = '', ...wishes] = address.replace(/\/+$/, '').split('@');
  const seq = wishes.find((wish) => /^\d+(\.[0-9a-f]+)?$/.test(wish));
  return {
    path,
    at: seq === undefined ? undefined : Number.parseInt(seq, 10),
    map: wishes.includes('merged') ? 'merged' : 'base',
  };
}

/** Whether a pull gives what it should, before anything is measured: the clients of the load only count. */
import type { Box, EncodingName } from '../../protocol/volume.ts';
import { connect } from '../../src/client/node.ts';

/**
 * Pulls once, as it is stored.
 *
 * @param expected what a tile should hold: its payload as it travels, or `undefined` where there should be no such tile.
 * @returns bytes of the payloads of all tiles.
 * @throws where a tile differs, one is missing, or comes in another encoding.
 */
export async function checkPull(
  port: number,
  path: string,
  wanted: { readonly box?: Box; readonly encoding: EncodingName; readonly tiles: number },
  expected: (box: Box) => Uint8Array | undefined,
): Promise<number> {
  const { box, encoding, tiles } = wanted;
  const session = await connect(`ws://127.0.0.1:${port}`);
  const seen = new Set<string>();
  let bytes = 0;
  try {
    for await (const tile of session.pull(path, { enc: [encoding], ...(box === undefined ? {} : { box }) })) {
      const right = expected(tile.box);
      const isRight = right !== undefined && !tile.fill && tile.encoding === encoding;
      if (!isRight || Buffer.compare(tile.payload, right) !== 0)
        throw new Error(`the tile at ${tile.box.join(', ')} of ${path} is not what was stored`);
      seen.add(tile.box.join(','));
      bytes += right.length;
    }
  } finally {
    await session.close();
  }
  if (seen.size !== tiles) throw new Error(`${seen.size} tiles of ${path} were pulled, not ${tiles}`);
  return bytes;
}

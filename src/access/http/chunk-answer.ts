/** Chunks as answers. */
import type { Chunk, ChunkQuery } from '../../core/chunks.ts';
import type { Core } from '../../core/core.ts';
import type { WebAnswer, WebRequest } from './route.ts';
import type { AddressedVolume } from './volume-address.ts';

const TYPE = 'application/octet-stream';

/** Which chunk is answered with. */
export type WantedChunk = Pick<ChunkQuery, 'mip' | 'tile' | 'encoding' | 'padTo'>;

/**
 * Answers with a chunk: at once where it is at hand. Nothing is read for a client that has it.
 *
 * @param compressible whether gzip pays.
 */
export function chunkAnswer(
  core: Core,
  request: WebRequest,
  volume: AddressedVolume,
  wanted: WantedChunk,
  compressible: boolean,
): WebAnswer | Promise<WebAnswer> {
  const { channel, reading } = volume;
  const query: ChunkQuery = { ...wanted, channel, reading };
  const cache = cacheOf(volume);
  const etag = core.chunks.tag(query);
  const answer = ({ bytes, isLasting }: Chunk): WebAnswer =>
    isLasting
      ? { type: TYPE, body: bytes, etag, cache, compressible }
      : { type: TYPE, body: bytes, cache: 'no-store', compressible };
  // The tag names only what lasts, so nobody has what did not.
  if (request.header('if-none-match')?.includes(etag) === true)
    return { type: TYPE, body: () => core.chunks.load(query).then(({ bytes }) => bytes), etag, cache, compressible };
  const ready = core.chunks.peek(query);
  return ready === undefined ? core.chunks.load(query).then(answer) : answer(ready);
}

/** Answers with JSON. @param value what `JSON.stringify` takes. */
export function jsonAnswer(volume: AddressedVolume, value: unknown): WebAnswer {
  return { type: 'application/json', body: JSON.stringify(value), cache: cacheOf(volume) };
}

/** What is named by its seq stays as it is. */
export function cacheOf({ address }: AddressedVolume): 'immutable' | 'revalidate' {
  return address.at === undefined ? 'revalidate' : 'immutable';
}

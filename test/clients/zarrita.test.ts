/** zarrita, unmodified, on our volumes over HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as zarr from 'zarrita';
import { boxShape, type DType, mipBox, type Vec3 } from '../../protocol/volume.ts';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const SHAPE: Vec3 = [90, 71, 66];
const DTYPES: readonly DType[] = ['uint8', 'int16', 'uint16', 'uint32', 'uint64', 'float32'];
const SIZES: Readonly<Partial<Record<DType, number>>> = { uint8: 1, int16: 2, uint16: 2, uint64: 8 };
type Place = zarr.Location<zarr.FetchStore>;
const pathOf = (dtype: DType): string => `lab/fly/cube/${dtype}`;

describe('zarrita', () => {
  const random = seededRandom(testSeed('zarrita'));
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({
      kind: loadUws().missing === undefined ? 'uws' : 'ws',
      volumes: DTYPES.map((dtype) => {
        const bytes = SHAPE[0] * SHAPE[1] * SHAPE[2] * (SIZES[dtype] ?? 4);
        // Runs of one value, so that labels look like labels; no NaN among floats.
        const data = Uint8Array.from({ length: bytes }, (_, n) =>
          n % 4 === 3 ? 0 : ((n >> 9) * 7 + 200 * random() * (dtype === 'uint8' ? 1 : 0)) & 255,
        );
        return { path: pathOf(dtype), data, shape: SHAPE, dtype };
      }),
    });
  });
  afterAll(() => server?.stop(0));

  for (const [prefix, openArray] of [
    ['zarr', (at: Place) => zarr.open.v3(at, { kind: 'array' })],
    ['zarr2', (at: Place) => zarr.open.v2(at, { kind: 'array' })],
  ] as const)
    it.each(DTYPES)(`reads every level of %s below /${prefix}`, async (dtype) => {
      const store = new zarr.FetchStore(`http://127.0.0.1:${server.port}/${prefix}/${pathOf(dtype)}`);
      const channel = await server.core.updateQuery({ path: pathOf(dtype) });
      for (const [mip, level] of channel.mips.entries()) {
        const array = await openArray(zarr.root(store).resolve(String(mip)));
        expect(array.dtype).toBe(dtype);
        expect(array.shape).toEqual(boxShape(mipBox(level)).toReversed());
        const { data } = await zarr.get(array);
        if (!ArrayBuffer.isView(data)) throw new Error('the array holds no numbers');
        const { raw } = await server.core.readBox(channel, mip, mipBox(level));
        expect(Buffer.compare(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), raw)).toBe(0);
      }
    });
});

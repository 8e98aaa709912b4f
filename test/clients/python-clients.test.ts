/** Clients of other people's in Python, unmodified, on our volumes. `npm run test:clients` installs them. */
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Box, DType, MipInfo } from '../../protocol/volume.ts';
import { mipBox } from '../../protocol/volume.ts';
import { loadUws } from '../../src/access/transport/uws-transport.ts';
import { hasPythonModules, runPython } from '../support/python.ts';
import { seededRandom, testSeed } from '../support/seed.ts';
import { startTestServer, type TestServer } from '../support/test-server.ts';

const SCRIPT = path.resolve(import.meta.dirname, 'read_boxes.py');
const SHAPE = [150, 131, 70] as const;
const DTYPES = ['uint8', 'uint16', 'uint32', 'uint64', 'float32'] as const satisfies readonly DType[];
const BOXES_PER_MIP = 2;

/** Which formats each client opens. */
const CLIENTS = {
  tensorstore: { module: 'tensorstore', formats: ['precomputed', 'zarr', 'zarr2'] },
  cloudvolume: { module: 'cloudvolume', formats: ['precomputed', 'zarr', 'zarr2'] },
  'zarr-python': { module: 'zarr', formats: ['zarr', 'zarr2'] },
  'ome-zarr-py': { module: 'ome_zarr', formats: ['zarr', 'zarr2'] },
} as const;
type Format = 'precomputed' | 'zarr' | 'zarr2';

interface Job {
  readonly client: string;
  readonly format: Format;
  readonly url: string;
  readonly mip: number;
  readonly box: Box;
}

type Told = { readonly dtype: string; readonly bounds: Box; readonly crc32: number } | { readonly error: string };

const pathOf = (dtype: DType): string => `lab/fly/cube/${dtype}`;

/** Voxels of every type: blobs of equal ids, and noise. */
function voxelsOf(dtype: DType, random: () => number): Uint8Array {
  const count = SHAPE[0] * SHAPE[1] * SHAPE[2];
  const [nx, ny] = SHAPE;
  const blob = (n: number): number =>
    ((n % nx) >> 4) + 10 * ((Math.floor(n / nx) % ny) >> 4) + 100 * (Math.floor(n / (nx * ny)) >> 4);
  switch (dtype) {
    case 'uint8':
      return Uint8Array.from({ length: count }, () => Math.floor(256 * random()));
    case 'uint16':
      return new Uint8Array(Uint16Array.from({ length: count }, () => Math.floor(65_536 * random())).buffer);
    case 'uint32':
      return new Uint8Array(Uint32Array.from({ length: count }, (_, n) => 4e9 + blob(n)).buffer);
    case 'uint64':
      return new Uint8Array(BigUint64Array.from({ length: count }, (_, n) => BigInt(blob(n)) + 2n ** 40n).buffer);
    default:
      return new Uint8Array(Float32Array.from({ length: count }, () => random() - 0.5).buffer);
  }
}

function randomBox(bounds: Box, random: () => number): Box {
  const side = (axis: 0 | 1 | 2): [number, number] => {
    const [low, high] = [bounds[axis], bounds[axis + 3] as number];
    const from = low + Math.floor((high - low) * random());
    return [from, from + 1 + Math.floor((high - from) * random())];
  };
  const [[x0, x1], [y0, y1], [z0, z1]] = [side(0), side(1), side(2)];
  return [x0, y0, z0, x1, y1, z1];
}

describe('clients in Python', { timeout: 300_000 }, () => {
  const random = seededRandom(testSeed('clients in Python'));
  let server: TestServer;
  beforeAll(async () => {
    const kind = loadUws().missing === undefined ? 'uws' : 'ws';
    server = await startTestServer({
      kind,
      volumes: DTYPES.map((dtype) => ({ path: pathOf(dtype), data: voxelsOf(dtype, random), shape: SHAPE, dtype })),
    });
  });
  afterAll(() => server?.stop(0));

  /** What a client should be told of a job. */
  async function truth({ mip, box }: Job, dtype: DType): Promise<Told> {
    const channel = await server.core.updateQuery({ path: pathOf(dtype) });
    const level = channel.mips[mip];
    if (level === undefined) throw new Error(`there is no mip ${mip}`);
    const { raw } = await server.core.readBox(channel, mip, box);
    return { dtype, bounds: mipBox(level), crc32: crc32(raw) };
  }

  for (const [client, { module, formats }] of Object.entries(CLIENTS))
    describe.skipIf(!hasPythonModules(client, [module]))(client, () => {
      for (const format of formats)
        it(`reads random boxes of every level and voxel type as ${format}`, async () => {
          const asked: { readonly job: Job; readonly dtype: DType }[] = [];
          for (const dtype of DTYPES) {
            const channel = await server.core.updateQuery({ path: pathOf(dtype) });
            for (const [mip, level] of channel.mips.entries())
              for (let n = 0; n < BOXES_PER_MIP; n++) {
                const box = randomBox(mipBox(level), random);
                const url = `http://127.0.0.1:${server.port}/${format}/${pathOf(dtype)}`;
                asked.push({ job: { client, format, url, mip, box }, dtype });
              }
          }
          expect(asked.length).toBeGreaterThanOrEqual(DTYPES.length * 2 * BOXES_PER_MIP);
          const told = (await runPython(
            SCRIPT,
            asked.map(({ job }) => job),
          )) as readonly Told[]; // what the script says it prints
          const expected = await Promise.all(asked.map(({ job, dtype }) => truth(job, dtype)));
          expect(told.map((one, n) => ({ ...asked[n]?.job, ...one }))).toEqual(
            expected.map((one, n) => ({ ...asked[n]?.job, ...one })),
          );
        });
    });

  for (const client of ['tensorstore', 'cloudvolume'] as const)
    it.skipIf(!hasPythonModules(client, [client]))(
      `[parity 81] ${client} opens what Butterfly's clients know as /pre`,
      async () => {
        const asked = await Promise.all(
          DTYPES.map(async (dtype) => {
            const { mips } = await server.core.updateQuery({ path: pathOf(dtype) });
            const box = randomBox(mipBox(mips[0] as MipInfo), random);
            const url = `http://127.0.0.1:${server.port}/pre/lab::fly::cube/${dtype}`;
            return { job: { client, format: 'precomputed' as const, url, mip: 0, box }, dtype };
          }),
        );
        const told = await runPython(
          SCRIPT,
          asked.map(({ job }) => job),
        );
        expect(told).toEqual(await Promise.all(asked.map(({ job, dtype }) => truth(job, dtype))));
      },
    );
});

/** Butterfly's own APIs as guests of this server: rights, room, faults. What they answer: `test/parity`. */
import { describe, expect, it, vi } from 'vitest';
import { BflyError } from '../../../protocol/errors.ts';
import { DEFAULT_LIMITS } from '../../../protocol/limits.ts';
import { legacyApiRoute } from '../../../src/access/http/legacy-api.ts';
import { LegacyWork } from '../../../src/access/http/legacy-api-work.ts';
import { ndRoute } from '../../../src/access/http/nd-route.ts';
import { preRoute } from '../../../src/access/http/pre-route.ts';
import type { Route, WebAnswer, WebRequest } from '../../../src/access/http/route.ts';
import type { Right } from '../../../src/core/rights.ts';
import { AllowedPaths } from '../../../src/utility/allowed-paths.ts';
import { MeshFolders } from '../../../src/utility/mesh-folders.ts';
import { channelOf, IM, openArrayCore, SEG } from '../../support/array-core.ts';
import { deferred } from '../../support/transport-harness.ts';

const { core } = openArrayCore([
  channelOf('lab/fly/open/im', IM),
  channelOf('lab/fly/open/secret', SEG),
  channelOf('lab/fly/hidden/seg', SEG),
  channelOf('lab/wasp/all/seg', SEG),
  channelOf('lab/fly/open/broken', IM, { broken: new BflyError('UNSUPPORTED', 'the file is cut off') }),
]);
const limits = DEFAULT_LIMITS;
const VISIBLE = ['lab/fly/open/im', 'lab/fly/open/broken'];

/** A request of somebody who may read two channels, or with `rights` more. */
function request(target: string, rights: readonly Right[] = ['read'], visible = VISIBLE): WebRequest {
  const { pathname, searchParams } = new URL(`/${target}`, 'http://localhost');
  const allows = (right: Right, path: string): boolean => rights.includes(right) && visible.includes(path);
  return {
    method: 'GET',
    segments: pathname
      .split('/')
      .filter((part) => part !== '')
      .map(decodeURIComponent),
    isFolder: pathname.endsWith('/'),
    params: searchParams,
    origin: 'http://localhost',
    author: { user: { id: 'ada', name: 'ada' }, rights: { allows } },
    mayRead: (path) => allows('read', path),
    header: () => undefined,
    body: async () => new Uint8Array(),
  };
}

async function ask(route: Route, asked: WebRequest): Promise<[status: number, body: unknown]> {
  const answer: WebAnswer | undefined = await route.handle(asked);
  if (answer === undefined) return [404, undefined];
  const body = typeof answer.body === 'function' ? await answer.body() : answer.body;
  return [answer.status ?? 200, answer.type.startsWith('application/json') ? JSON.parse(String(body)) : body];
}

describe('what one may not read', () => {
  const api = legacyApiRoute({ core, limits });

  it('stands in no list, and is named in no fault', async () => {
    expect(await ask(api, request('samples?experiment=lab'))).toEqual([200, ['fly']]);
    expect(await ask(api, request('datasets?experiment=lab&sample=fly'))).toEqual([200, ['open']]);
    const open = 'experiment=lab&sample=fly&dataset=open';
    expect(await ask(api, request(`channels?${open}`))).toEqual([200, ['im', 'broken']]);
    expect(await ask(api, request('datasets?experiment=lab&sample=wasp'))).toEqual([
      400,
      "The sample wasp is not in ['fly'].",
    ]);
    for (const method of ['channel_metadata', 'data', 'mask', 'entity_feature'])
      expect(await ask(api, request(`${method}?${open}&channel=secret&x=0&y=0&z=0&width=1&height=1`))).toEqual([
        400,
        "The channel secret is not in ['im', 'broken'].",
      ]);
    expect(await ask(api, request('experiments', []))).toEqual([200, []]);
  });

  it('is not there by token either, no more than what is not there at all', async () => {
    const nd = ndRoute({ core, limits });
    const pre = preRoute({ core, limits });
    for (const token of ['lab::fly::hidden', 'lab::fly::none', 'lab::fly', 'lab::fly::open::im', '::fly::open']) {
      expect(await ask(nd, request(`sd/${token}/info`))).toEqual([404, undefined]);
      expect(await ask(nd, request(`sd/${token}/seg/raw/0/0,1/0,1/0,1`))).toEqual([404, undefined]);
      expect(await ask(pre, request(`${token}/seg/info`))).toEqual([404, undefined]);
    }
    expect(await ask(pre, request('lab::fly::open/secret/info'))).toEqual([404, undefined]);
    expect(await ask(pre, request('lab::fly::open/secret/mesh/7:0'))).toEqual([404, undefined]);
    expect(await ask(nd, request('sd/lab::fly::open/secret/raw/0/0,1/0,1/0,1'))).toEqual([404, undefined]);
    expect(await ask(nd, request('sd/public_tokens'))).toEqual([200, ['lab::fly::open']]);
    const [, info] = await ask(nd, request('sd/lab::fly::open/info'));
    expect(Object.keys((info as { channels: object }).channels)).toEqual(['im']);
  });

  it('where the data are is told only to those who run the server', async () => {
    const wire = 'lab/fly/open/im';
    const asked = 'channel_metadata?experiment=lab&sample=fly&dataset=open&channel=im';
    const on = openArrayCore([channelOf(wire, IM)]).core;
    const channel = await on.updateQuery({ path: wire });
    vi.spyOn(on, 'updateQuery').mockResolvedValue({ ...channel, spec: { path: '/data/im.h5' } });
    const route = legacyApiRoute({ core: on, limits });
    expect(await ask(route, request(asked))).toMatchObject([200, { path: wire }]);
    expect(await ask(route, request(asked, ['read', 'admin']))).toMatchObject([200, { path: '/data/im.h5' }]);
  });
});

describe('meshes of /pre', () => {
  const seg = 'lab/wasp/all/seg';
  const asked = (rest: string) => request(`lab::wasp::all/seg/${rest}`, ['read'], [seg]);

  it('are those of the source where no folder is configured', async () => {
    const { core: own } = openArrayCore([channelOf(seg, SEG)]);
    const pre = preRoute({ core: own, limits });
    expect(await ask(pre, asked('mesh/7:0'))).toEqual([404, undefined]);
    expect((await ask(pre, asked('info')))[1]).not.toHaveProperty('mesh');
    vi.spyOn(own.sourceFiles, 'folders').mockResolvedValue(['mesh']);
    const whole = Uint8Array.of(1, 2);
    const file = vi
      .spyOn(own.sourceFiles, 'file')
      .mockImplementation(async (_channel, _folder, _names, { from, to } = { from: 0, to: 2 }) => ({
        bytes: whole.subarray(from, to),
        byteLength: 2,
        stamp: 'a',
      }));
    expect((await ask(pre, asked('info')))[1]).toHaveProperty('mesh', 'mesh');
    expect(await ask(pre, asked('mesh/parts/7'))).toEqual([200, Uint8Array.of(1, 2)]);
    expect(file.mock.calls[0]?.slice(1, 3)).toEqual(['mesh', ['parts', '7']]);
  });

  it('are those of the configured folder alone where there is one', async () => {
    const { core: own } = openArrayCore([channelOf(seg, SEG)]);
    const file = vi.spyOn(own.sourceFiles, 'file');
    const meshes = new MeshFolders(new Map([[seg, '/nowhere/meshes']]), new AllowedPaths(['/']));
    const pre = preRoute({ core: own, limits, meshes });
    expect((await ask(pre, asked('info')))[1]).toHaveProperty('mesh', 'mesh');
    expect(await ask(pre, asked('mesh/7:0'))).toEqual([404, undefined]);
    expect(file).not.toHaveBeenCalled();
  });
});

describe('faults', () => {
  it('are the sentence alone, by their status', async () => {
    const api = legacyApiRoute({ core, limits });
    const broken = 'experiment=lab&sample=fly&dataset=open&channel=broken';
    expect(await ask(api, request(`channel_metadata?${broken}`))).toEqual([415, 'the file is cut off']);
    expect(await ask(ndRoute({ core, limits }), request('sd/lab::fly::open/broken/raw/0/0,1/0,1/0,1'))).toEqual([
      415,
      'the file is cut off',
    ]);
    expect(await ask(preRoute({ core, limits }), request('lab::fly::open/broken/info'))).toEqual([
      415,
      'the file is cut off',
    ]);
  });

  it('do not repeat all of what a request says', async () => {
    const api = legacyApiRoute({ core, limits });
    const [, text] = await ask(api, request(`samples?experiment=${'x'.repeat(5_000)}`));
    expect(String(text).length).toBeLessThan(200);
  });

  it('that nobody foresaw go to the router, and so do those that pass', async () => {
    const failing = (broken: Error) =>
      legacyApiRoute({ core: openArrayCore([channelOf('lab/fly/open/im', IM, { broken })]).core, limits });
    const asked = request('channel_metadata?experiment=lab&sample=fly&dataset=open&channel=im');
    await expect(ask(failing(new Error('a bug')), asked)).rejects.toThrow('a bug');
    const passing = new BflyError('UNAVAILABLE', 'not now');
    await expect(ask(failing(passing), asked)).rejects.toBe(passing);
  });
});

describe('room for answers', () => {
  const bounds = { answerBytes: 100, bytes: 150, waiting: 2 };

  it('is given in the order of asking, and never more than there is', async () => {
    const work = new LegacyWork(bounds);
    const gates = Array.from({ length: 3 }, () => deferred<void>());
    const began: number[] = [];
    const runs = [100, 60, 40].map((bytes, i) =>
      work.run(bytes, async () => {
        began.push(i);
        await gates[i]?.promise;
        return i;
      }),
    );
    await new Promise(setImmediate);
    // The third would fit beside the first, but the second came before it.
    expect(began).toEqual([0]);
    gates[0]?.resolve();
    expect(await runs[0]).toBe(0);
    await new Promise(setImmediate);
    expect(began).toEqual([0, 1, 2]);
    for (const gate of gates) gate.resolve();
    expect(await Promise.all(runs)).toEqual([0, 1, 2]);
  });

  it('is refused to an answer that is too large, and where too many wait', async () => {
    const work = new LegacyWork(bounds);
    await expect(work.run(101, async () => 0)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    const gate = deferred<void>();
    const runs = [100, 100, 100].map((bytes) => work.run(bytes, () => gate.promise));
    await expect(work.run(1, async () => 0)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryMs: 1_000 });
    gate.resolve();
    await Promise.all(runs);
    expect(await work.run(100, async () => 'again')).toBe('again');
  });

  it('comes back where the work fails', async () => {
    const work = new LegacyWork(bounds);
    for (let i = 0; i < 5; i++)
      await expect(work.run(100, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    expect(await work.run(100, async () => 'done')).toBe('done');
  });

  it('counts the voxels of a box before any are read', async () => {
    const { core: small, reads } = openArrayCore([channelOf('lab/fly/open/im', IM)]);
    const route = legacyApiRoute({ core: small, limits, work: new LegacyWork(bounds) });
    const asked = 'data?experiment=lab&sample=fly&dataset=open&channel=im&x=0&y=0&z=0&format=raw';
    expect(await ask(route, request(`${asked}&width=101&height=1`))).toEqual([
      413,
      'The box holds more than 100 bytes.',
    ]);
    expect(reads).toEqual([]);
    const [status, bytes] = await ask(route, request(`${asked}&width=100&height=1`));
    expect([status, (bytes as Uint8Array).length]).toEqual([200, 100]);
  });
});

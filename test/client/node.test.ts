import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { type Box, decodeClient, encodeServer, type ServerMessage } from '../../protocol/index.ts';
import { connect as connectInBrowser } from '../../src/client/index.ts';
import { BflyError, connect, DECODABLE, ENCODINGS } from '../../src/client/node.ts';
import { type FakeVolume, naiveCutout, tileFrames, WELCOME } from '../support/fake-server.ts';

const VOLUME: FakeVolume = {
  dtype: 'uint32',
  offset: [0, 0, 0],
  shape: [64, 64, 64],
  chunk: [64, 64, 64],
  voxel: (x, y, z) => x * 65_536 + y * 256 + z,
};
const BOX: Box = [0, 0, 0, 64, 64, 64];

describe('the client in Node', () => {
  let server: WebSocketServer;
  let url: string;

  beforeEach(async () => {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/v1', handleProtocols: () => 'bfly.v1' });
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // a TCP server's address is of this kind
    server.on('connection', (socket) => {
      const send = (message: ServerMessage): void => socket.send(encodeServer(message).slice());
      socket.on('message', (data: Buffer) => {
        const message = decodeClient(data);
        if (message.kind === 'HELLO') send({ ...WELCOME, id: message.id });
        if (message.kind === 'PING') send({ kind: 'PONG', id: message.id, t: message.t });
        if (message.kind !== 'PULL') return;
        const { id } = message;
        send({ kind: 'PULL_OK', id, tiles: 1, dtype: VOLUME.dtype, at: 0 });
        // Small frames, so that the window of 256 KiB is not passed before it is granted.
        const frames = tileFrames(VOLUME, ['raw'], { id, item: 0, mip: 0, frame: 100_000 }, BOX);
        for (const frame of frames) send(frame.message);
        send({ kind: 'END', id, status: 'done', sent: 1, failed: 0, bytes: 0 });
      });
    });
  });

  afterEach(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });

  it('brings its own sockets', async () => {
    const session = await connect(url);
    expect(session.user.name).toBe('Ada');
    expect(await session.ping()).toBeGreaterThan(0);
    const { data } = await session.cutout('a', { box: BOX, enc: ['raw'] });
    expect(
      Buffer.compare(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), naiveCutout(VOLUME, BOX)),
    ).toBe(0);
    await session.close();
  });

  it('notices that the server is gone', async () => {
    const session = await connect(url, { reconnect: false });
    for (const socket of server.clients) socket.terminate();
    await expect(session.closed).resolves.toMatchObject({ code: 1006, error: { code: 'UNAVAILABLE' } });
  });

  it('says what is wrong where nobody listens', async () => {
    server.close();
    for (const socket of server.clients) socket.terminate();
    await expect(connect('ws://127.0.0.1:1')).rejects.toMatchObject({ name: 'BflyError', code: 'UNAVAILABLE' });
  });

  it('can be given another socket, as browsers have', async () => {
    if (typeof WebSocket === 'function') return;
    await expect(connectInBrowser(url)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('exports the nouns that its users need', () => {
    expect(new BflyError('LIMIT', '').code).toBe('LIMIT');
    expect(ENCODINGS).toEqual(expect.arrayContaining([...DECODABLE]));
  });
});

import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { checkListening, freePort, isLoopback } from '../../../src/access/transport/listen-address.ts';

describe('loopback', () => {
  it.each(['127.0.0.1', '127.255.0.9', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1'])('is %s', (address) => {
    expect(isLoopback(address)).toBe(true);
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', '128.0.0.1', '::ffff:10.0.0.1', '127.example.org', 'localhost', '127.1', ''])(
    'is not %j',
    (address) => {
      expect(isLoopback(address)).toBe(false);
    },
  );
});

describe('a port', () => {
  it('is found out to be taken, or free, without being kept', async () => {
    const port = await freePort('127.0.0.1');
    await checkListening('127.0.0.1', port);
    const holder = createServer().listen(port, '127.0.0.1');
    await once(holder, 'listening');
    await expect(checkListening('127.0.0.1', port)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: `port ${port} is in use, choose another with --port`,
    });
    holder.close();
    await once(holder, 'close');
    await checkListening('127.0.0.1', port);
    await checkListening('127.0.0.1', 0);
  });
});

import { describe, expect, it } from 'vitest';
import { type ChannelStatus, type StatusFacts, statusOf } from '../../../src/viewer/page/status/status.ts';

const channel = (more: Partial<ChannelStatus> = {}): ChannelStatus => ({
  ...{ path: 'e/labels', seq: 7, head: 7, isLoading: false, unsaved: 0, unanswered: 0, readOnly: undefined },
  ...more,
});

const facts = (more: Partial<StatusFacts> = {}): StatusFacts => ({
  ...{ session: 'live', ended: undefined, token: undefined, channels: [channel()], found: 0, isKept: true, pixels: '' },
  ...more,
});

describe('the status', () => {
  it.each<[string, Partial<StatusFacts>, string]>([
    ['all is well', {}, 'Live'],
    ['edits are on their way for the first time', { channels: [channel({ isLoading: true })] }, 'Connecting'],
    ['the first connection is made', { session: 'connecting' }, 'Connecting'],
    ['others were busy', { channels: [channel({ head: 19 }), channel()] }, 'Catching up, 12 behind'],
    ['an edit is under way', { channels: [channel({ unsaved: 1, unanswered: 1 })] }, 'Saving 1 edit'],
    ['edits are answered and not yet told', { channels: [channel({ unsaved: 3 })] }, 'Saving 3 edits'],
    ['edits of before a reload are under way', { found: 2 }, 'Saving 2 edits'],
    ['the server is away', { session: 'offline' }, 'Offline'],
    [
      'edits wait for the server',
      { session: 'offline', found: 1, channels: [channel({ unsaved: 3, unanswered: 2 })] },
      'Offline, 3 unsent edits',
    ],
    ['an answered edit is not unsent', { session: 'offline', channels: [channel({ unsaved: 1 })] }, 'Offline'],
    ['the token ends', { token: 'ends' }, 'Token ends soon'],
    ['the token is refused', { session: 'offline', token: 'refused' }, 'Token expired'],
    ['the session is over', { session: 'closed', token: 'refused', ended: 'no' }, 'Disconnected'],
    ['images do not come', { pixels: 'offline' }, 'Live, images wait'],
    ['images come', { pixels: 'live' }, 'Live'],
    ['nothing may be edited', { channels: [channel({ readOnly: 'Why' })] }, 'Live, read-only'],
    ['something may be edited', { channels: [channel({ readOnly: 'Why' }), channel()] }, 'Live'],
  ])('where %s', (_, more, text) => {
    expect(statusOf(facts(more)).text).toBe(text);
  });

  it('says why nothing may be edited, and how a session ended', () => {
    expect(statusOf(facts({ channels: [channel({ readOnly: 'The volume takes no edits' })] })).meaning).toBe(
      'The volume takes no edits.',
    );
    expect(statusOf(facts({ session: 'closed', ended: 'the server speaks version 2' })).meaning).toContain(
      'the server speaks version 2',
    );
  });

  it('promises of unsent edits only what is true', () => {
    const channels = [channel({ unsaved: 1, unanswered: 1 })];
    expect(statusOf(facts({ session: 'offline', channels })).meaning).toContain('over a reload');
    expect(statusOf(facts({ session: 'offline', channels, isKept: false })).meaning).toContain(
      'while this page is open',
    );
  });
});

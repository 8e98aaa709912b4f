import { beforeEach, describe, expect, it } from 'vitest';
import { Follow, type FollowEnd } from '../../../src/viewer/page/people/follow.ts';
import type { Person } from '../../../src/viewer/page/people/person.ts';
import { ShownSelection } from '../../../src/viewer/page/people/shown-selection.ts';
import { FakeStage, fakeVolume } from '../../support/fake-stage.ts';

const look = (x: number) => ({ place: [x, 0, 0] as const, nmPerPixel: 5, nmDeep: 500 });

const person = (key: string, more: Partial<Person> = {}): Person => ({
  ...{ key, name: key, color: '#fff', isMe: false, tool: '', cursor: undefined, look: undefined, selected: new Map() },
  ...more,
});

describe('following', () => {
  let stage: FakeStage;
  let ends: FollowEnd[];
  let follow: Follow;

  beforeEach(() => {
    stage = new FakeStage();
    ends = [];
    follow = new Follow(stage, (_, why) => ends.push(why));
  });

  it('shows what the other one looks at, from now on', () => {
    follow.start(person('ada', { look: look(100) }));
    expect(stage.look).toEqual(look(100));
    follow.update([person('ben', { look: look(7) }), person('ada', { look: look(200) })]);
    expect(stage.look).toEqual(look(200));
    expect(ends).toEqual([]);
  });

  it('ends when I move', () => {
    follow.start(person('ada', { look: look(100) }));
    stage.goTo([5, 5, 5]);
    follow.update([person('ada', { look: look(300) })]);
    expect(stage.look.place).toEqual([5, 5, 5]);
    expect(ends).toEqual(['moved']);
  });

  it('goes on when the view is only told to be as it is', () => {
    follow.start(person('ada', { look: look(100) }));
    stage.emit('view');
    expect(follow.whom.value?.key).toBe('ada');
  });

  it('goes on where the view cannot show just the same', () => {
    const exact = stage.follow.bind(stage);
    stage.follow = (wanted) => exact({ ...wanted, nmPerPixel: Math.min(4, wanted.nmPerPixel) });
    follow.start(person('ada', { look: look(100) }));
    stage.emit('view');
    expect(follow.whom.value?.key).toBe('ada');
  });

  it('ends when the other one is gone, and when I say so', () => {
    follow.start(person('ada', { look: look(100) }));
    follow.update([]);
    follow.start(person('ben', { look: look(1) }));
    follow.stop();
    expect(ends).toEqual(['gone', 'stopped']);
    expect(follow.whom.value).toBeUndefined();
  });
});

describe('the selection of others', () => {
  const selected = (...ids: bigint[]) => new Map([['e/labels', { ids, count: ids.length }]]);
  const make = (roots?: ReadonlyMap<bigint, bigint>) => {
    const stage = new FakeStage();
    const volume = fakeVolume('labels', 'e/labels', roots);
    stage.volumes = [volume, fakeVolume('em', 'e/em')];
    return { stage, volume, shown: new ShownSelection(stage) };
  };

  it('is selected besides mine, and taken back without mine', () => {
    const { volume, shown } = make();
    volume.selected = [1n, 2n];
    expect(shown.show(person('ada', { selected: selected(2n, 3n) }))).toBe(1);
    expect(volume.selected).toEqual([1n, 2n, 3n]);
    shown.hide('ada');
    expect(volume.selected).toEqual([1n, 2n]);
    expect(shown.keys.value.size).toBe(0);
  });

  it('of two people stays while one of them is shown', () => {
    const { volume, shown } = make();
    shown.show(person('ada', { selected: selected(3n) }));
    shown.show(person('ben', { selected: selected(3n, 4n) }));
    shown.hide('ada');
    expect(volume.selected).toEqual([3n, 4n]);
    shown.show(person('ada', { selected: selected(3n) }));
    shown.hide('ben');
    expect(volume.selected).toEqual([3n]);
    shown.hide('ada');
    expect(volume.selected).toEqual([]);
  });

  it('is taken back also when its segments were merged meanwhile', () => {
    const roots = new Map<bigint, bigint>();
    const { volume, shown } = make(roots);
    shown.show(person('ada', { selected: selected(3n, 4n) }));
    roots.set(4n, 3n);
    volume.selected = [3n];
    shown.hide('ada');
    expect(volume.selected).toEqual([]);
  });
});

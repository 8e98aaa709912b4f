/** What somebody may do to a channel, as a small number: INFO tells it, and keeps its replies by it. Rule [I1]. */
import { CHANNEL_RIGHTS, type ChannelRight } from '../../../protocol/volume.ts';
import { ALL_RIGHTS, type Rights } from '../../core/rights.ts';

/** Lists by their number, which has a bit for each of the names. */
const LISTS: readonly (readonly ChannelRight[])[] = Array.from({ length: 1 << CHANNEL_RIGHTS.length }, (_, number) =>
  CHANNEL_RIGHTS.filter((_, bit) => (number >> bit) & 1),
);

/** The number of the rights that somebody has on a channel. */
export function rightsNumber(rights: Rights, path: string): number {
  if (rights === ALL_RIGHTS) return LISTS.length - 1;
  let number = 0;
  for (const [bit, name] of CHANNEL_RIGHTS.entries()) if (rights.allows(name, path)) number |= 1 << bit;
  return number;
}

/** The names that a number of `rightsNumber` stands for, least first. Shared. */
export function rightsOfNumber(number: number): readonly ChannelRight[] {
  return LISTS[number] ?? [];
}

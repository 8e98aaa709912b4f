/** A colour for each id. Pure. */

/** Red, green, blue, each 0 to 255. */
export type Rgb = readonly [number, number, number];

/** Of what is no object. */
const BACKGROUND: Rgb = [0, 0, 0];

/** The colour of an id: the same for the same id everywhere, neither dark nor pale, far from those of the ids beside it. 0 is black. */
export function idColor(id: bigint): Rgb {
  if (id === 0n) return BACKGROUND;
  const low = Number(BigInt.asUintN(32, id));
  const high = Number(BigInt.asUintN(32, id >> 32n));
  const hash = mix(low ^ mix(high + 0x9e3779b9));
  const hue = (hash & 0xffff) / 0x10000;
  const saturation = 0.45 + 0.4 * (((hash >>> 16) & 0xff) / 255);
  const value = 0.65 + 0.3 * ((hash >>> 24) / 255);
  return fromHsv(hue, saturation, value);
}

/** As CSS writes it. */
export function cssColor([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** Spreads every bit of 32 over all of them (the last steps of MurmurHash3). */
function mix(bits: number): number {
  let h = bits >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** All three from 0 to 1. */
function fromHsv(hue: number, saturation: number, value: number): Rgb {
  const channel = (n: number): number => {
    const k = (n + hue * 6) % 6;
    return Math.round(255 * value * (1 - saturation * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return [channel(5), channel(3), channel(1)];
}

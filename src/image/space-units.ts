/** Units of length, as metadata name them. */

const NM_IN: Readonly<Record<string, number>> = {
  angstrom: 0.1,
  picometer: 1e-3,
  nanometer: 1,
  micrometer: 1e3,
  millimeter: 1e6,
  centimeter: 1e7,
  decimeter: 1e8,
  meter: 1e9,
  kilometer: 1e12,
  inch: 2.54e7,
};

const ALSO: Readonly<Record<string, string>> = {
  å: 'angstrom',
  a: 'angstrom',
  pm: 'picometer',
  nm: 'nanometer',
  nanometers: 'nanometer',
  um: 'micrometer',
  µm: 'micrometer',
  μm: 'micrometer',
  micron: 'micrometer',
  microns: 'micrometer',
  mm: 'millimeter',
  cm: 'centimeter',
  m: 'meter',
  km: 'kilometer',
};

/**
 * How many nanometres a unit has.
 *
 * @returns undefined for a unit of anything else, such as `pixel` or `second`, or for none.
 */
export function nanometresIn(unit: unknown): number | undefined {
  if (typeof unit !== 'string') return undefined;
  const name = unit
    .trim()
    .toLowerCase()
    .replace(/metre(s?)$/, 'meter$1');
  return NM_IN[ALSO[name] ?? name.replace(/s$/, '')];
}

/** A size in nanometres without the dust of decimal fractions: 0.004 µm is 4, not 4.000000000000001. */
export function roundedNm(size: number): number {
  return Number(size.toPrecision(12));
}

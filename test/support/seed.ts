/** Seeds of random tests: printed, so that a failure can be run again. */

/** `BFLY_FUZZ_SEED`, or a new seed; printed with the name of the test. */
export function testSeed(name: string): number {
  const given = process.env['BFLY_FUZZ_SEED'];
  const seed = given === undefined ? Math.trunc(Math.random() * 0x7fff_ffff) : Number(given);
  console.info(`${name}: BFLY_FUZZ_SEED=${seed}`);
  return seed;
}

/** Runs of a random test: `BFLY_FUZZ_RUNS`, or a number that takes about a second. */
export function testRuns(usual: number): number {
  const given = process.env['BFLY_FUZZ_RUNS'];
  return given === undefined ? usual : Number(given);
}

/** Random numbers 0 ≤ x < 1 that depend on the seed alone (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

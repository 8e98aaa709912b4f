/*
 * What the assembly of a box out of tiles would cost in C: each row of each tile that the box meets is one memcpy. Beside our own, which
 * does the same in TypeScript.
 *
 *   row-copy SECONDS PLANES X0 Y0 Z0 X1 Y1 Z1 EDGE   tiles of EDGE³ bytes; the box is made PLANES planes at a time, into the same room
 *
 * Prints one line of JSON. Before it measures, it compares every byte with what the tiles were made of.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long box[6], edge, planes, grid[3];
static uint8_t **tiles;

static uint8_t voxel(long x, long y, long z) { return (x * 7 + y * 31 + z * 101 + (x * y ^ z)) & 255; }

static long least(long a, long b) { return a < b ? a : b; }
static long most(long a, long b) { return a > b ? a : b; }

static void *need(size_t size) {
  void *room = malloc(size);
  if (room == NULL) {
    fputs("no memory\n", stderr);
    exit(1);
  }
  return room;
}

static void make_tiles(void) {
  for (int axis = 0; axis < 3; axis++) grid[axis] = (box[axis + 3] + edge - 1) / edge;
  tiles = need(grid[0] * grid[1] * grid[2] * sizeof *tiles);
  for (long n = 0; n < grid[0] * grid[1] * grid[2]; n++) {
    long x = n % grid[0] * edge, y = n / grid[0] % grid[1] * edge, z = n / grid[0] / grid[1] * edge;
    tiles[n] = need(edge * edge * edge);
    for (long i = 0; i < edge * edge * edge; i++) tiles[n][i] = voxel(x + i % edge, y + i / edge % edge, z + i / edge / edge);
  }
}

/* Planes z0 to z1 of the box; z0 is at the target's beginning. */
static void copy_planes(uint8_t *target, long z0, long z1) {
  long width = box[3] - box[0], height = box[4] - box[1];
  for (long tz = z0 / edge; tz * edge < z1; tz++)
    for (long ty = box[1] / edge; ty * edge < box[4]; ty++)
      for (long tx = box[0] / edge; tx * edge < box[3]; tx++) {
        const uint8_t *tile = tiles[tx + grid[0] * (ty + grid[1] * tz)];
        long x0 = most(box[0], tx * edge), x1 = least(box[3], (tx + 1) * edge);
        long y0 = most(box[1], ty * edge), y1 = least(box[4], (ty + 1) * edge);
        for (long z = most(z0, tz * edge); z < least(z1, (tz + 1) * edge); z++)
          for (long y = y0; y < y1; y++)
            memcpy(target + ((z - z0) * height + (y - box[1])) * width + (x0 - box[0]),
                   tile + ((z - tz * edge) * edge + (y - ty * edge)) * edge + (x0 - tx * edge), x1 - x0);
      }
}

static void check(const uint8_t *target, long z0, long z1) {
  for (long z = z0; z < z1; z++)
    for (long y = box[1]; y < box[4]; y++)
      for (long x = box[0]; x < box[3]; x++)
        if (*target++ != voxel(x, y, z)) {
          fprintf(stderr, "voxel %ld, %ld, %ld is wrong\n", x, y, z);
          exit(1);
        }
}

/* The whole box once. */
static void assemble(uint8_t *target, int is_checked) {
  for (long z = box[2]; z < box[5]; z += planes) {
    copy_planes(target, z, least(z + planes, box[5]));
    if (is_checked) check(target, z, least(z + planes, box[5]));
    /* Or the compiler may leave out what nobody reads. */
    __asm__ volatile("" : : "r"(target) : "memory");
  }
}

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec + at.tv_nsec / 1e9;
}

int main(int count, char **words) {
  if (count != 10) {
    fputs("usage: row-copy SECONDS PLANES X0 Y0 Z0 X1 Y1 Z1 EDGE\n", stderr);
    return 1;
  }
  planes = atol(words[2]);
  for (int i = 0; i < 6; i++) box[i] = atol(words[3 + i]);
  edge = atol(words[9]);
  make_tiles();
  long size = (box[3] - box[0]) * (box[4] - box[1]) * (box[5] - box[2]);
  uint8_t *target = need((box[3] - box[0]) * (box[4] - box[1]) * planes);
  assemble(target, 1);
  double start = now(), end = start;
  long long bytes = 0;
  for (; end - start < atof(words[1]); end = now()) {
    assemble(target, 0);
    bytes += size;
  }
  printf("{\"bytes\":%lld,\"seconds\":%.6f}\n", bytes, end - start);
}

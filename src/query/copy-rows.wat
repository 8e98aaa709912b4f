;; Copies rows of bytes between boxes that lie in one memory: the inner loop of every cutout. `copy-rows.ts` holds this file, assembled.
(module
  (memory (export "memory") 1)

  ;; `bytes` a row, `rows` a plane, `planes`; each at least 1. The strides lead from one row, or plane, to the next.
  (func (export "copyRows")
    (param $from i32) (param $to i32) (param $bytes i32) (param $rows i32) (param $planes i32)
    (param $fromRow i32) (param $toRow i32) (param $fromPlane i32) (param $toPlane i32)
    (local $row i32) (local $s i32) (local $t i32)
    (loop $plane
      (local.set $row (local.get $rows))
      (local.set $s (local.get $from))
      (local.set $t (local.get $to))
      (loop $next
        (call $copy (local.get $s) (local.get $t) (local.get $bytes))
        (local.set $s (i32.add (local.get $s) (local.get $fromRow)))
        (local.set $t (i32.add (local.get $t) (local.get $toRow)))
        (br_if $next (local.tee $row (i32.sub (local.get $row) (i32.const 1)))))
      (local.set $from (i32.add (local.get $from) (local.get $fromPlane)))
      (local.set $to (i32.add (local.get $to) (local.get $toPlane)))
      (br_if $plane (local.tee $planes (i32.sub (local.get $planes) (i32.const 1))))))

  ;; One row: 16 bytes at a time, aligned or not, and the last 16 of the row once more; a row of less than 16 byte by byte.
  (func $copy (param $s i32) (param $t i32) (param $bytes i32)
    (local $last i32)
    (if (i32.ge_u (local.get $bytes) (i32.const 16))
      (then
        (local.set $last (i32.sub (i32.add (local.get $s) (local.get $bytes)) (i32.const 16)))
        (loop $more
          (v128.store align=1 (local.get $t) (v128.load align=1 (local.get $s)))
          (local.set $s (i32.add (local.get $s) (i32.const 16)))
          (local.set $t (i32.add (local.get $t) (i32.const 16)))
          (br_if $more (i32.lt_u (local.get $s) (local.get $last))))
        (v128.store align=1
          (i32.sub (local.get $t) (i32.sub (local.get $s) (local.get $last)))
          (v128.load align=1 (local.get $last))))
      (else
        (loop $byte
          (i32.store8 (local.get $t) (i32.load8_u (local.get $s)))
          (local.set $s (i32.add (local.get $s) (i32.const 1)))
          (local.set $t (i32.add (local.get $t) (i32.const 1)))
          (br_if $byte (local.tee $bytes (i32.sub (local.get $bytes) (i32.const 1)))))))))

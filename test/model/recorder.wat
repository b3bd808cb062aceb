;; The recorder: what the instrumented kernel calls at each access. It appends to a log in the same memory, beyond what the
;; kernel knows, and takes every decision that needs no JavaScript. An entry is four words:
;;
;;   address of an aligned word, flags in the low bits | value before | (room for the value after) | kind of the verb, 0: none
;;   flag 1: a load; flag 2: one access with the entry before
;;
;; Control words, at `control`: +0 end of the log, +4 1: every verb stops at `stop`, +8 1: a coroutine is being unwound or rewound,
;; +12 verbs so far, +16 verbs until one stops all the same, 0 for never
(module
  (import "env" "memory" (memory 1 65536 shared))
  (import "env" "control" (global $control i32))
  (import "env" "stop" (func $stop (param i32 i32 i32 f64) (result i32)))

  (func $note (param $address i32) (param $flags i32)
    (local $end i32)
    (local.set $end (i32.load (global.get $control)))
    (i32.store (local.get $end) (i32.or (local.get $address) (local.get $flags)))
    (i32.store offset=4 (local.get $end) (i32.load (local.get $address)))
    (i32.store offset=12 (local.get $end) (i32.const 0))
    (i32.store (global.get $control) (i32.add (local.get $end) (i32.const 16))))

  (func $store (param $address i32) (param $bytes i32)
    (local.set $address (i32.and (local.get $address) (i32.const -4)))
    (call $note (local.get $address) (i32.const 0))
    (if (i32.eq (local.get $bytes) (i32.const 8))
      (then (call $note (i32.add (local.get $address) (i32.const 4)) (i32.const 2)))))

  (func (export "load_ptr") (param $id i32) (param $bytes i32) (param $offset i32) (param $address i32) (result i32)
    (local $word i32)
    (local.set $word (i32.and (i32.add (local.get $address) (local.get $offset)) (i32.const -4)))
    (call $note (local.get $word) (i32.const 1))
    (if (i32.eq (local.get $bytes) (i32.const 8))
      (then (call $note (i32.add (local.get $word) (i32.const 4)) (i32.const 3))))
    (local.get $address))
  (func (export "load_val_i32") (param $id i32) (param $value i32) (result i32) (local.get $value))
  (func (export "load_val_i64") (param $id i32) (param $value i64) (result i64) (local.get $value))

  (func (export "store_ptr") (param $id i32) (param $bytes i32) (param $offset i32) (param $address i32) (result i32)
    (call $store (i32.add (local.get $address) (local.get $offset)) (local.get $bytes))
    (local.get $address))
  (func (export "store_val_i32") (param $id i32) (param $value i32) (result i32) (local.get $value))
  (func (export "store_val_i64") (param $id i32) (param $value i64) (result i64) (local.get $value))

  (func (export "memory_grow_pre") (param $id i32) (param $pages i32) (result i32) (local.get $pages))
  (func (export "memory_grow_post") (param $id i32) (param $pages i32) (result i32) (local.get $pages))

  ;; A bulk store of zeroes, the only byte that the kernel fills with, or of a copy of what is at `source`: words that change, and
  ;; those that are written in part.
  (func (export "range") (param $target i32) (param $source i32) (param $bytes i32)
    (local $at i32)
    (local $end i32)
    (local $new i32)
    (local.set $at (i32.and (local.get $target) (i32.const -4)))
    (local.set $end (i32.add (local.get $target) (local.get $bytes)))
    (loop $next
      (if (i32.lt_u (local.get $at) (local.get $end))
        (then
          (local.set $new (i32.const 0))
          (if (local.get $source)
            (then
              (local.set $new
                (i32.load (i32.add (local.get $source) (i32.sub (local.get $at) (local.get $target)))))))
          (if (i32.or
                (i32.ne (i32.load (local.get $at)) (local.get $new))
                (i32.or
                  (i32.lt_u (local.get $at) (local.get $target))
                  (i32.gt_u (i32.add (local.get $at) (i32.const 4)) (local.get $end))))
            (then (call $note (local.get $at) (i32.const 0))))
          (local.set $at (i32.add (local.get $at) (i32.const 4)))
          (br $next)))))

  ;; A verb. Kinds as in core-as/sync/env.ts: 0 load, 1 store, 2 read-modify-write, 3 wait, 4 wake.
  (func (export "sched") (param $kind i32) (param $address i32) (param $operand i32) (param $ns f64) (result i32)
    (local $answer i32)
    (local $left i32)
    (local.set $left (i32.load offset=16 (global.get $control)))
    (if (local.get $left)
      (then
        (i32.store offset=16 (global.get $control) (i32.sub (local.get $left) (i32.const 1)))
        (if (i32.eq (local.get $left) (i32.const 1))
          (then (i32.store offset=4 (global.get $control) (i32.const 1))))))
    (if (i32.or
          (i32.or (i32.load offset=4 (global.get $control)) (i32.load offset=8 (global.get $control)))
          (i32.ge_u (local.get $kind) (i32.const 3)))
      (then
        (local.set $answer
          (call $stop (local.get $kind) (local.get $address) (local.get $operand) (local.get $ns)))
        (if (i32.load offset=8 (global.get $control)) (then (return (local.get $answer))))))
    (i32.store offset=12 (global.get $control) (i32.add (i32.load offset=12 (global.get $control)) (i32.const 1)))
    (if (i32.or (i32.eq (local.get $kind) (i32.const 1)) (i32.eq (local.get $kind) (i32.const 2)))
      (then
        ;; operand of these verbs: bytes of the access
        (call $store (local.get $address) (local.get $operand))
        (i32.store (i32.sub (i32.load (global.get $control)) (i32.const 4)) (local.get $kind))))
    (local.get $answer)))

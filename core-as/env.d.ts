// Names that come from asc's --use. For editors only: asc alone decides.

declare const KERN_DEBUG: i32;
declare const KERN_MODEL: i32;
declare const KERN_BARE: i32;

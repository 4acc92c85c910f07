//! Not the allocator's memory: the system's own, which has it back as soon as it is given up, whatever thread it was used in.

use std::io;

use memmap2::MmapMut;
use zerocopy::FromBytes;

/// So many bytes, which come as they are written.
pub(super) fn new_pages(length: u64) -> io::Result<MmapMut> {
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let pages = MmapMut::map_anon(length)?;
    // whole large pages only: half of one would take what no budget sees
    #[cfg(target_os = "linux")]
    if let Some(large @ 1..) = length.checked_sub(length % LARGE_PAGE) {
        let _ = pages.advise_range(memmap2::Advice::HugePage, 0, large); // a system without them has small ones
    }
    Ok(pages)
}

/// Bytes as they came from the wire, as the limbs that they are; `None` if the last one is not whole.
// spec: [wire.vector]
pub(super) fn limbs_of(bytes: &mut [u8]) -> Option<&[u64]> {
    let limbs = <[u64]>::mut_from_bytes(bytes).ok()?;
    if cfg!(target_endian = "big") {
        limbs.iter_mut().for_each(|limb| *limb = limb.swap_bytes());
    }
    Some(limbs)
}

/// Bytes of a large page.
#[cfg(target_os = "linux")]
const LARGE_PAGE: usize = 2 << 20;

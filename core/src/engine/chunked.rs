//! Tables that grow without stalling: no single growth moves more than one chunk or one small part of the whole.

use std::hash::{BuildHasher, Hash};

use hashbrown::hash_table::{Entry, HashTable};
use hashbrown::{DefaultHashBuilder, Equivalent};

/// Elements in a chunk. The outer list holds one pointer for each, so a million elements grow it by 8 KiB at most.
const CHUNK: usize = 1024;

/// A list that never moves its elements.
#[derive(Debug, Default)]
pub(super) struct Chunked<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Chunked<T> {
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn push(&mut self, value: T) {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(value);
            self.len += 1;
        }
    }

    pub(super) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index / CHUNK)?.get_mut(index % CHUNK)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }
}

/// Parts of a [`Parted`] map; a million entries rehash 4,096 at a time.
const PARTS: usize = 256;

/// A hash map in parts, each of which grows alone. A key is hashed once: the part is told by bits that the tables do not use.
#[derive(Debug)]
pub(super) struct Parted<K, V> {
    hasher: DefaultHashBuilder,
    parts: Vec<HashTable<(K, V)>>,
}

/// Which part a hash belongs to: tables use the low bits and the top ones.
const fn part(hash: u64) -> usize {
    (hash >> 24) as usize % PARTS
}

impl<K: Eq + Hash, V> Parted<K, V> {
    pub(super) fn new() -> Self {
        Self { hasher: DefaultHashBuilder::default(), parts: (0..PARTS).map(|_| HashTable::new()).collect() }
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        self.parts[part(hash)].find(hash, |(known, _)| key.equivalent(known)).map(|(_, value)| value)
    }

    fn entry(&mut self, key: &K) -> Entry<'_, (K, V)> {
        let Self { hasher, parts } = self;
        let hash = hasher.hash_one(key);
        parts[part(hash)].entry(hash, |(known, _)| known == key, |(known, _)| hasher.hash_one(known))
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        match self.entry(&key) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = value,
            Entry::Vacant(entry) => {
                entry.insert((key, value));
            }
        }
    }

    /// All entries, in no order: sort before anything depends on it.
    pub(super) fn unordered(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flatten().map(|(key, value)| (key, value))
    }
}

/// Finds values by keys that stand elsewhere: it keeps nothing of a key but its hash, so whoever asks says which value is the one.
#[derive(Debug)]
pub(super) struct Index<V> {
    hasher: DefaultHashBuilder,
    parts: Vec<HashTable<(u64, V)>>,
}

impl<V: Copy> Index<V> {
    pub(super) fn new() -> Self {
        Self { hasher: DefaultHashBuilder::default(), parts: (0..PARTS).map(|_| HashTable::new()).collect() }
    }

    /// The value for a key, of those that may be it.
    pub(super) fn get(&self, key: &(impl Hash + ?Sized), is_it: impl Fn(V) -> bool) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let found = self.parts[part(hash)].find(hash, |(known, value)| *known == hash && is_it(*value));
        found.map(|(_, value)| *value)
    }

    /// Adds a value for a key that has none.
    pub(super) fn insert(&mut self, key: &(impl Hash + ?Sized), value: V) {
        let hash = self.hasher.hash_one(key);
        self.parts[part(hash)].insert_unique(hash, (hash, value), |(hash, _)| *hash);
    }

    pub(super) fn remove(&mut self, key: &(impl Hash + ?Sized), is_it: impl Fn(V) -> bool) {
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.parts[part(hash)].find_entry(hash, |(known, value)| *known == hash && is_it(*value)) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunked_finds_what_was_pushed_across_chunks() {
        let mut list = Chunked::new();
        for n in 0..3000 {
            list.push(n);
        }
        assert_eq!(list.len(), 3000);
        assert_eq!(list.get(2999), Some(&2999));
        assert_eq!(list.get(3000), None);
        assert!(list.iter().copied().eq(0..3000));
    }

    #[test]
    fn an_index_finds_the_right_one_among_those_that_may_be_it() {
        let names: Vec<String> = (0..10_000).map(|n| format!("name{n}")).collect();
        let mut index = Index::new();
        for (at, name) in names.iter().enumerate() {
            index.insert(name.as_str(), at);
        }
        let find = |index: &Index<usize>, name: &str| index.get(name, |at| names[at] == name);
        assert!((0..10_000).all(|at| find(&index, &names[at]) == Some(at)));
        assert_eq!(find(&index, "nobody"), None);
        index.remove("name7", |at| at == 8);
        assert_eq!(find(&index, "name7"), Some(7), "another one stands there");
        index.remove("name7", |at| at == 7);
        assert_eq!(find(&index, "name7"), None);
    }

    #[test]
    fn parted_spreads_its_entries() {
        let mut map = Parted::new();
        for n in 0..10_000_u64 {
            map.insert(n, n + 1);
        }
        assert!((0..10_000).all(|n| map.get(&n) == Some(&(n + 1))));
        let largest = map.parts.iter().map(HashTable::len).max();
        assert!(largest < Some(200), "the parts are uneven: {largest:?}");
    }
}

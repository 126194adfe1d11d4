// SPDX-License-Identifier: Apache-2.0

// The audit log by a tool that is not ours: Go's checksum database has the same tree, and golang.org/x/mod/sumdb reads our
// checkpoints, tiles, receipts and proofs.
//
//	audit log DIR VKEY [OLDER]        every entry of the tiles, inclusion proofs of some, and the consistency with an older checkpoint
//	audit receipt FILE VKEY           a tlog-proof with its entry
//	audit growth FILE OLDER VKEY      a consistency proof from an older checkpoint
//	audit cosigned FILE VKEY WITNESS  a checkpoint that a witness signed
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Println("refused:", err)
		os.Exit(1)
	}
}

func line(path string) string {
	return strings.TrimSpace(string(must(os.ReadFile(path))))
}

// A checkpoint is a note over origin, size and root; what follows is not read.
func checkpoint(text []byte, verifiers ...note.Verifier) tlog.Tree {
	n := must(note.Open(text, note.VerifierList(verifiers...)))
	if len(n.Sigs) != len(verifiers) {
		check(fmt.Errorf("%d of %d signatures", len(n.Sigs), len(verifiers)))
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != verifiers[0].Name() {
		check(errors.New("not a checkpoint of this log"))
	}
	return tlog.Tree{N: must(strconv.ParseInt(lines[1], 10, 64)), Hash: must(tlog.ParseHash(lines[2]))}
}

// Tiles in a directory, as C2SP names them: without the height that sumdb puts into the path.
type tiles struct {
	dir  string
	size int64
}

func (t tiles) Height() int                         { return 8 }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) read(tile tlog.Tile) ([]byte, error) {
	name := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
	name = strings.Replace(name, "tile/data/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(t.dir, name))
	if full, _, partial := strings.Cut(name, ".p/"); err != nil && partial {
		return os.ReadFile(filepath.Join(t.dir, full))
	}
	return data, err
}

// What it asks for are tiles of the tree of that size, or wider ones: the width on disk is the tree's.
func (t tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, tile := range want {
		width := t.size>>(8*uint(tile.L)) - tile.N*256
		there := tile
		there.W = int(min(width, 256))
		data, err := t.read(there)
		if err != nil {
			return nil, err
		}
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s is too short", tile.Path())
		}
		out = append(out, data[:tile.W*tlog.HashSize])
	}
	return out, nil
}

func min(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}

func (t tiles) entries(first int64) [][]byte {
	width := int(min(t.size-first, 256))
	data := must(t.read(tlog.Tile{H: 8, L: -1, N: first / 256, W: width}))
	var out [][]byte
	for len(out) < width {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			check(fmt.Errorf("entry %d is cut off", first+int64(len(out))))
		}
		n := 2 + int(binary.BigEndian.Uint16(data))
		out = append(out, data[2:n])
		data = data[n:]
	}
	return out
}

func readLog(dir, vkey, older string) {
	log := must(note.NewVerifier(line(vkey)))
	tree := checkpoint(must(os.ReadFile(filepath.Join(dir, "checkpoint"))), log)
	t := tiles{dir, tree.N}
	reader := tlog.TileHashReader(tree, t)
	// The root once more, from the entries alone: x/mod 0.7 does not hold every tile against its parent where the tree's edge has
	// several hashes in one tile.
	var stored []tlog.Hash
	memory := tlog.HashReaderFunc(func(indexes []int64) (hashes []tlog.Hash, _ error) {
		for _, i := range indexes {
			hashes = append(hashes, stored[i])
		}
		return hashes, nil
	})
	for first := int64(0); first < tree.N; first += 256 {
		entries := t.entries(first)
		indexes := make([]int64, len(entries))
		for i := range entries {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		hashes := must(reader.ReadHashes(indexes))
		for i, entry := range entries {
			at := first + int64(i)
			stored = append(stored, must(tlog.StoredHashes(at, entry, memory))...)
			if hashes[i] != tlog.RecordHash(entry) {
				check(fmt.Errorf("entry %d is not the one of its tile", at))
			}
			if at%997 == 0 || at == tree.N-1 {
				proof := must(tlog.ProveRecord(tree.N, at, reader))
				check(tlog.CheckRecord(proof, tree.N, tree.Hash, at, tlog.RecordHash(entry)))
			}
		}
	}
	if tree.N > 0 && must(tlog.TreeHash(tree.N, memory)) != tree.Hash {
		check(errors.New("the entries do not give the checkpoint's root"))
	}
	if older != "" {
		old := checkpoint(must(os.ReadFile(older)), log)
		proof := must(tlog.ProveTree(tree.N, old.N, reader))
		check(tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash))
	}
	fmt.Println("fits:", tree.N, "entries")
}

// The lines of a proof up to the empty one, and the checkpoint behind it.
func proofOf(text []byte) (lines []string, hashes []tlog.Hash, rest []byte) {
	head, rest, found := bytes.Cut(text, []byte("\n\n"))
	if !found {
		check(errors.New("no checkpoint behind the proof"))
	}
	for _, l := range strings.Split(string(head), "\n") {
		if strings.Contains(l, " ") || strings.HasPrefix(l, "c2sp.org/") {
			lines = append(lines, l)
		} else {
			hashes = append(hashes, must(tlog.ParseHash(l)))
		}
	}
	return lines, hashes, rest
}

func readReceipt(file, vkey string) {
	lines, hashes, rest := proofOf(must(os.ReadFile(file)))
	tree := checkpoint(rest, must(note.NewVerifier(line(vkey))))
	if len(lines) != 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		check(errors.New("not a tlog-proof with its entry"))
	}
	entry := must(base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra ")))
	index := must(strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64))
	check(tlog.CheckRecord(hashes, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
	fmt.Println("fits: entry", index, string(entry))
}

func readGrowth(file, older, vkey string) {
	log := must(note.NewVerifier(line(vkey)))
	lines, hashes, rest := proofOf(must(os.ReadFile(file)))
	tree, old := checkpoint(rest, log), checkpoint(must(os.ReadFile(older)), log)
	if len(lines) != 1 || lines[0] != fmt.Sprintf("old %d", old.N) {
		check(errors.New("not a proof from the older checkpoint"))
	}
	check(tlog.CheckTree(hashes, tree.N, tree.Hash, old.N, old.Hash))
	fmt.Println("fits:", old.N, "to", tree.N)
}

// A witness's key: cosignature/v1 (C2SP tlog-cosignature).
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	text := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(w.key, []byte(text), sig[8:])
}

func newWitness(vkey string) witness {
	parts := strings.SplitN(vkey, "+", 3)
	key := must(base64.StdEncoding.DecodeString(parts[2]))
	sum := sha256.Sum256([]byte(parts[0] + "\n" + string(key)))
	if key[0] != 4 || len(key) != 33 || parts[1] != fmt.Sprintf("%x", sum[:4]) {
		check(errors.New("not a witness's key"))
	}
	return witness{parts[0], binary.BigEndian.Uint32(sum[:4]), key[1:]}
}

func main() {
	args := append(os.Args[1:], "", "", "", "")
	switch args[0] {
	case "log":
		readLog(args[1], args[2], args[3])
	case "receipt":
		readReceipt(args[1], args[2])
	case "growth":
		readGrowth(args[1], args[2], args[3])
	case "cosigned":
		log := must(note.NewVerifier(line(args[2])))
		tree := checkpoint(must(os.ReadFile(args[1])), log, newWitness(line(args[3])))
		fmt.Println("fits:", tree.N, "entries")
	default:
		fmt.Println("audit log | receipt | growth | cosigned")
		os.Exit(2)
	}
}

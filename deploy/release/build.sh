#!/bin/sh
# Builds a release into dist: for each platform an archive with the binary, its SBOM,
# a Debian package where dpkg-deb is installed, and the checksums of all. The same
# commit, with the same Go, gives the same bytes.
#
#   deploy/release/build.sh 1.2.3 [linux/amd64 …]
set -eu
version=$1
shift
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64
cd "$(dirname "$0")/../.."
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH CGO_ENABLED=0
umask 022
case $version in *[!0-9A-Za-z.+~-]* | '') echo "build.sh: $version is no version" >&2 && exit 2 ;; esac
tar --version 2>/dev/null | grep -q GNU || { echo "build.sh: GNU tar is needed" >&2; exit 1; }

rm -rf dist
mkdir -p dist
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# pack ARCHIVE FOLDER: nothing in it depends on who packs it, with which umask the
# files were checked out, and when.
pack() {
	tar --format=gnu --sort=name --mode=u=rwX,go=rX --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$(dirname "$2")" -cf - "$(basename "$2")" | gzip -9n >"$1"
}

# debian ARCH BINARY
debian() {
	tree=$work/deb-$1
	from=deploy/release/debian
	mkdir -p "$tree/DEBIAN" "$tree/etc/kslive"
	install -Dm755 "$2" "$tree/usr/bin/ingest"
	install -Dm644 $from/kslive-ingest.service "$tree/usr/lib/systemd/system/kslive-ingest.service"
	install -Dm644 $from/kslive.sysusers "$tree/usr/lib/sysusers.d/kslive.conf"
	install -Dm600 $from/ingest.env "$tree/etc/kslive/ingest.env"
	install -Dm644 README.md "$tree/usr/share/doc/kslive-ingest/README.md"
	install -Dm644 LICENSE "$tree/usr/share/doc/kslive-ingest/copyright"
	install -m755 $from/postinst $from/prerm "$tree/DEBIAN/"
	chmod 750 "$tree/etc/kslive"
	echo /etc/kslive/ingest.env >"$tree/DEBIAN/conffiles"
	cat >"$tree/DEBIAN/control" <<-CONTROL
		Package: kslive-ingest
		Version: ${version#v}
		Architecture: $1
		Maintainer: the kslive authors <kslive@localhost>
		Section: net
		Priority: optional
		Depends: libc6, systemd
		Description: watches Kuaishou live rooms and keeps them in ClickHouse
		 One websocket a room, every frame kept on disk, decoded, and inserted into
		 ClickHouse, one table for each kind of event.
	CONTROL
	find "$tree" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
	dpkg-deb --root-owner-group -Zxz --build "$tree" "dist/kslive-ingest_${version#v}_$1.deb" >/dev/null
}

for platform; do
	os=${platform%/*} arch=${platform#*/}
	name=ingest-$version-$os-$arch
	mkdir -p "$work/$name"
	GOOS=$os GOARCH=$arch go build -trimpath -buildvcs=false -ldflags "-s -w -X kslive/ingest.version=$version" -o "$work/$name/ingest" ./cmd/ingest
	cp LICENSE README.md CHANGELOG.md "$work/$name/"
	pack "dist/$name.tar.gz" "$work/$name"
	go run ./deploy/release/sbom "$version" "$work/$name/ingest" >"dist/$name.cdx.json"
	if [ "$os" = linux ]; then
		if command -v dpkg-deb >/dev/null; then
			debian "$arch" "$work/$name/ingest"
		else
			echo "build.sh: no Debian package is made: dpkg-deb is not installed" >&2
		fi
	fi
done
cd dist
sha256sum -- * >SHA256SUMS
cat SHA256SUMS

# Copies to $1 what writes the node's rules: iptables in the flavour that the node uses, and nft, with the loader and
# the libraries. The libraries of every extension too: they are opened when a rule names them, and one that is missing
# makes a later change of the rules fail, not the first.
set -euo pipefail
target=$1
mkdir -p "$target/usr/sbin" "$target/lib64" "$target/etc" "$target/tmp" "$target/run"
cp -L /usr/sbin/xtables-nft-multi /usr/sbin/nft "$target/usr/sbin/"
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
    ln -s xtables-nft-multi "$target/usr/sbin/$name"
done
modules=$(dirname "$(dpkg -L libxtables12 iptables | grep -m1 'xtables/libxt_tcp.so')")
mkdir -p "$target$modules"
cp -a "$modules/." "$target$modules/"
find /usr/sbin/xtables-nft-multi /usr/sbin/nft "$modules" -type f -exec ldd {} + 2>/dev/null |
    grep -o '/[^ ]*' | grep -v ':$' | sort -u |
    while read -r library; do
        mkdir -p "$target$(dirname "$library")"
        cp -L "$library" "$target$library"
    done
cp /etc/protocols /etc/services "$target/etc/" 2>/dev/null || true
chroot "$target" /usr/sbin/iptables --version
chroot "$target" /usr/sbin/nft --version

# Key files, and IDs and signatures by keys, computed here independently of the module.
#
#   $keys                      a folder for key files
#   key_file(NAME, KEY, ...)   writes the KEYs, a line each, to the file NAME in it, and returns its path
#   $key[0] to $key[3]         keys
#   key_id(KEY, ADDRESS)       the ID of a server by a key; ADDRESS may be a letter (lib/Servers.pm)
#   key_ids(ADDRESS, KEY, ...) the ID that a proxy with these keys writes
#   mac(KEY, COOKIE, TEXT)     the signature of a value by a key
#   signed(COOKIE, TEXT, KEY, ...)   the value as a proxy with these keys signs it

package Keys;

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256 hmac_sha256_hex);
use Exporter 'import';
use File::Temp;
use MIME::Base64 'encode_base64url';
use Servers;

our @EXPORT = qw($keys @key key_file key_id key_ids mac signed);

our $keys = File::Temp->newdir;
our @key = map { "a key for these tests, number $_" } 0 .. 3;

sub key_file {
    my ($name, @lines) = @_;
    my $path = "$keys/$name";
    my $mask = umask 0077;
    open my $file, '>', $path or die "cannot write $path: $!\n";
    umask $mask;
    print $file map { "$_\n" } @lines;
    close $file or die "cannot write $path: $!\n";
    return $path;
}

sub address { my ($name) = @_; return exists $port{$name} ? "127.0.0.1:$port{$name}" : $name }

sub key_id { my ($key, $name) = @_; return substr hmac_sha256_hex(address($name), $key), 0, 32 }

# Values are written with the first two keys of a file.
sub writing { return @_ > 2 ? @_[0, 1] : @_ }

sub key_ids { my ($name, @keys) = @_; return join '.', map { key_id($_, $name) } writing(@keys) }

sub mac {
    my ($key, $cookie, $text) = @_;
    my $derived = hmac_sha256("\0signature of cookie $cookie", $key);
    return encode_base64url(substr hmac_sha256($text, $derived), 0, 16);
}

sub signed {
    my ($cookie, $text, @keys) = @_;
    return "$text|" . join '.', map { mac($_, $cookie, $text) } writing(@keys);
}

1;

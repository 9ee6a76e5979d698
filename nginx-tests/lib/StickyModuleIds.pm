# IDs as nginx-sticky-module-ng makes them, of TEXT, with a KEY of at most 64 bytes:
#
#   md5_hex(TEXT), sha1_hex(TEXT), hmac_md5_hex(TEXT, KEY), hmac_sha1_hex(TEXT, KEY)
#   socket_address(PORT)   the TEXT up to its release 1.2.6: Linux's socket address of 127.0.0.1:PORT. Later versions use the
#                          address as written in the "server" line

package StickyModuleIds;

use strict;
use warnings;

use Digest::MD5 qw(md5 md5_hex);
use Digest::SHA qw(sha1_hex hmac_sha1_hex);
use Exporter 'import';
use Socket qw(AF_INET inet_aton);

our @EXPORT = qw(md5_hex sha1_hex hmac_md5_hex hmac_sha1_hex socket_address);

# RFC 2104
sub hmac_md5_hex {
    my ($text, $key) = @_;
    $key .= "\0" x (64 - length $key);
    return md5_hex(($key ^ "\x5c" x 64) . md5(($key ^ "\x36" x 64) . $text));
}

sub socket_address { return pack('S n a4 x8', AF_INET, $_[0], inet_aton('127.0.0.1')) }

1;

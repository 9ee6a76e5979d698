# A self-signed certificate for localhost, which is removed at the end of the file.
#
#   certificate()   creates it, and returns FILE: the certificate is in FILE.pem, its key in FILE.key

package Certificates;

use strict;
use warnings;

use Exporter 'import';
use File::Temp 'tempdir';
use Test::More ();

our @EXPORT = qw(certificate);

sub certificate {
    my $file = tempdir(CLEANUP => 1) . '/localhost';
    system("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2"
           . " -keyout $file.key -out $file.pem 2>/dev/null") == 0
        or Test::More::BAIL_OUT("openssl cannot make a certificate");
    return $file;
}

1;

# A second nginx in front of the same servers: another instance of the same binary, with two workers, until the end of the file.
#
#   second_front(HTTP)           starts it, unless it runs, with HTTP in its http block: a server on port 1982
#   at(FRONT, PATH, COOKIE)      visits the "first" front, the nginx of the block, or the "second"
#   reload_front(FRONT)          reloads it, and returns once only new workers accept connections

package Fronts;

use strict;
use warnings;

use Client;
use Exporter 'import';
use Replicas;
use Running ();
use Visits ();

our @EXPORT = qw(second_front at reload_front);

my %port = (first => 1984, second => 1982);
my $started;

sub second_front {
    my ($http) = @_;
    return if $started;
    start_replica('second-front', modules() . "worker_processes 2;\npid ROOT/nginx.pid;\nerror_log ROOT/logs/error.log info;\n"
        . "events {}\nhttp {\n" . join('', map { "${_}_temp_path ROOT/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi))
        . "access_log off;\n$http\n}\n");
    $started = 1;
    return;
}

sub at { my ($front, $path, $cookie) = @_; return visit($path, $cookie, $port{$front}) }

sub reload_front { my ($front) = @_; return $front eq 'first' ? Visits::reload(Running::master()) : reload_replica('second-front') }

1;

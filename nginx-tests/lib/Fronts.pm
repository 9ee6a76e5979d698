# A second nginx in front of the same servers: another one of the same binary, with two workers. It ends with the file.
#
#   second_front(HTTP)           starts it, unless it is there, with this in its http block: a server on port 1982
#   at(FRONT, PATH, COOKIE)      visits the "first" front, which is the nginx of the block, or the "second"
#   reload_front(FRONT)          reloads it, and returns when new workers serve, and no others

package Fronts;

use strict;
use warnings;

use Client;
use Exporter 'import';
use Running ();
use Test::Nginx::Util ();
use Visits ();

our @EXPORT = qw(second_front at reload_front);

my %port = (first => 1984, second => 1982);
my $second;
my $tests = $$;

sub second_front {
    my ($http) = @_;
    return if $second;
    my $root = Test::Nginx::Util::server_root() . '/../second-front-' . $$;
    mkdir $_ or die "cannot make $_: $!\n" for $root, "$root/logs";
    my $modules = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
    my $user = $> == 0 ? "user root;\n" : '';
    open my $conf, '>', "$root/nginx.conf" or die "cannot write $root/nginx.conf: $!\n";
    print $conf "$modules${user}worker_processes 2;\npid $root/nginx.pid;\nerror_log $root/logs/error.log info;\nevents {}\nhttp {\n"
        . join('', map { "${_}_temp_path $root/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi))
        . "access_log off;\n$http\n}\n";
    close $conf or die "cannot write $root/nginx.conf: $!\n";
    system($ENV{TEST_NGINX_BINARY}, '-e', "$root/logs/error.log", '-p', $root, '-c', "$root/nginx.conf") == 0
        or die "the second nginx does not start\n";
    # nginx writes it when it is in the background.
    my $pid = soon(sub { open my $file, '<', "$root/nginx.pid" or return 0; return readline $file })
        or die "the second nginx writes no $root/nginx.pid\n";
    chomp($second = $pid);
    return;
}

END {
    if ($second && $$ == $tests) {
        local $?;
        kill TERM => $second;
        soon(sub { !kill 0, $second });
    }
}

sub at { my ($front, $path, $cookie) = @_; return visit($path, $cookie, $port{$front}) }

sub reload_front { my ($front) = @_; return Visits::reload($front eq 'first' ? Running::master() : $second) }

1;

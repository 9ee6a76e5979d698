# Visits of every worker, beside lib/Client.pm: port 1983 is to spread them (reuseport), with X-Worker to say which worker
# it was, and X-Tried which servers it asked. lib/Upstreams.pm makes such a server.
#
#   everywhere(PATH, COOKIE)   visits that were in every worker
#   bodies(VISITS), tried(VISITS), cookies(VISITS): what they have in common, each value once
#   reload(MASTER)             reloads nginx, or that of another master, and returns when new workers serve, and no others

package Visits;

use strict;
use warnings;

use Client;
use Exporter 'import';
use Test::Nginx::Socket ();
use Time::HiRes 'sleep';

our @EXPORT = qw(everywhere bodies tried cookies reload);

# 20 at least, and as many more as it takes.
sub everywhere {
    my ($path, $cookie) = @_;
    my (@visits, %workers);
    for (1 .. 200) {
        push @visits, visit("$path?key=$_", $cookie, 1983);
        $workers{head('X-Worker', $visits[-1])} = 1;
        last if @visits >= 20 && keys %workers == $Client::workers;
    }
    holds(keys %workers == $Client::workers, "visits of $path are with every worker");
    return @visits;
}

sub each_once {
    my %seen = map { $_ => 1 } @_;
    return join ' | ', sort keys %seen;
}

sub bodies { return each_once(map { status($_) eq "200" ? body($_) =~ s/\n//r : status($_) } @_) }
sub tried { return each_once(map { head('X-Tried', $_) } @_) }
sub cookies { return each_once(map { bound($_) } @_) }

# The workers of a master, which are its children.
sub workers_of {
    my ($master) = @_;
    open my $children, '<', "/proc/$master/task/$master/children" or return '';
    return readline($children) // '';
}

# A worker that serves the requests it has, but takes no new ones. (Its title does not show under valgrind.)
sub is_shutting_down {
    my ($worker) = @_;
    open my $title, '<', "/proc/$worker/cmdline" or return 1;
    return (readline($title) // '') =~ /shutting down/ || $ENV{TEST_NGINX_USE_VALGRIND};
}

sub reload {
    my ($master) = @_;
    if (!defined $master) {
        open my $file, '<', $Test::Nginx::Util::PidFile or return 0;
        chomp($master = readline $file);
    }
    my %before = map { $_ => 1 } split ' ', workers_of($master);
    kill HUP => $master or return 0;
    my $done = soon(sub {
        my @new = grep { !$before{$_} } split ' ', workers_of($master);
        return @new >= $Client::workers && !grep { !is_shutting_down($_) } keys %before;
    });
    sleep 2 if $ENV{TEST_NGINX_USE_VALGRIND};
    return $done;
}

1;

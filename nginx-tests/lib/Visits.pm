# Visits to every worker, in addition to lib/Client.pm. Port 1983 must spread connections over the workers (reuseport), and its
# responses need X-Worker, the worker, and X-Tried, the servers tried. lib/Upstreams.pm makes such a server.
#
#   everywhere(PATH, COOKIE)   responses of visits, at least one by each worker
#   bodies(VISITS), tried(VISITS), cookies(VISITS): the different values in these responses, sorted
#   reload(MASTER)             reloads nginx, or that of another master, and returns once only new workers accept connections

package Visits;

use strict;
use warnings;

use Client;
use Exporter 'import';
use Test::Nginx::Socket ();
use Time::HiRes 'sleep';

our @EXPORT = qw(everywhere bodies tried cookies reload);

# At least 20, and up to 200 until each worker has had one.
sub everywhere {
    my ($path, $cookie) = @_;
    my (@visits, %workers);
    for (1 .. 200) {
        push @visits, visit("$path?key=$_", $cookie, 1983);
        $workers{head('X-Worker', $visits[-1])} = 1;
        last if @visits >= 20 && keys %workers == $Client::workers;
    }
    holds(keys %workers == $Client::workers, "every worker has visits of $path");
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

# Whether a worker only finishes its requests and accepts no more. (Its title is not visible under valgrind.)
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

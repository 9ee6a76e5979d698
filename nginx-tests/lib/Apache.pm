# A real Apache as a load balancer in front of the same servers.
#
#   my $apache = Apache->start(PORT, "BalancerMember ...", ...)   starts it on 127.0.0.1. The lines are inserted into its
#                                  balancer, "Header" lines next to it. Destroying the object stops it

package Apache;

use strict;
use warnings;

use Client;
use File::Temp 'tempdir';
use Test::More ();

my $modules = '/usr/lib/apache2/modules';

sub start {
    my ($class, $port, @lines) = @_;
    my $folder = tempdir(CLEANUP => 1);
    # If it is started by root, its workers run as another user.
    chmod 0755, $folder;
    my $others = join '', map { "$_\n" } grep { /^Header / } @lines;
    my $inside = join '', map { "$_\n" } grep { !/^Header / } @lines;
    my $load = join '', map { "LoadModule ${_}_module $modules/mod_$_.so\n" }
        qw(mpm_event authz_core headers proxy proxy_http proxy_balancer slotmem_shm lbmethod_byrequests);
    open my $file, '>', "$folder/conf" or die "$folder/conf: $!\n";
    print $file <<"_EOC_";
ServerRoot $folder
DefaultRuntimeDir $folder
ServerName localhost
PidFile $folder/pid
ErrorLog $folder/log
Listen 127.0.0.1:$port
$load
User nobody
Group nogroup
$others
<Proxy "balancer://servers">
$inside
</Proxy>
ProxyPass "/" "balancer://servers/"
_EOC_
    close $file or die "$folder/conf: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        exec '/usr/sbin/apache2', '-X', '-f', "$folder/conf" or Test::More::BAIL_OUT('there is no Apache: make test-deps');
    }
    my $self = bless {pid => $pid}, $class;
    soon(sub { eval { connected($port) } }) or die "Apache does not listen\n";
    return $self;
}

sub DESTROY {
    my ($self) = @_;
    local $?;
    kill 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;
    return;
}

1;

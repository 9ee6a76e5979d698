# The sixty-second example of README.md: its configuration, and its commands as a reader runs them.

use Sticky qw(Documents Replicas);
use JSON::PP 'decode_json';

our ($conf) = grep { /log_format/ } fenced('README.md', 'nginx');
our ($commands) = grep { /curl/ } fenced('README.md', 'sh');

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => servers("location / { return 200; }\n", qw(A B)));
});

sub file {
    my $here = here($conf) =~ s{/var/log/nginx/}{ROOT/logs/}r;
    return modules() . "error_log ROOT/logs/error.log info;\npid ROOT/nginx.pid;\nevents { }\nhttp {\n$here}\n";
}

# The output of the commands, with "nginx" and "localhost" replaced by those of this test.
sub printed {
    my $root = root_of('readme');
    my $here = $commands =~ s{http://localhost/}{http://127.0.0.1:1983/}gr;
    open my $script, '>', "$root/script" or die "cannot write $root/script: $!\n";
    print $script "set -e\nnginx() { $ENV{TEST_NGINX_BINARY} -p $root -c $root/nginx.conf \"\$@\" 2>>messages; }\n$here";
    close $script or die "cannot write $root/script: $!\n";
    return scalar qx{cd $root && sh script};
}

# The upstream server and the status of each request to it.
sub logged {
    open my $log, '<', root_of('readme') . '/logs/access.log' or return;
    return map { m{" 200 session=(\w+)/\S+ served=(\S+) } ? [$2, $1] : () } readline $log;
}

run_tests();

__DATA__

=== the same server answers, and the status shows it
--- client
start_replica('readme', file());
my $status = decode_json(printed());
equals($?, 0, 'the commands succeed');
my ($upstream) = @{$status->{upstreams}};
equals($upstream->{name}, 'app', 'the status shows the upstream');
equals(scalar @{$upstream->{servers}}, 2, 'and its servers');
printed() for 1 .. 3;
eventually(sub { 4 == grep { $_->[0] ne '-' } logged() }, 'every request is in the log');
my ($first, @others) = grep { $_->[0] ne '-' } logged();
equals($first->[1], 'new', 'the first request begins a session');
equals(join(' ', map { "$_->[0] $_->[1]" } @others), join(' ', ("$first->[0] bound") x 3), 'the others are bound to its server');

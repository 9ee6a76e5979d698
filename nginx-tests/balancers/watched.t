# A module that links servers in and out without a generation counter (nginx-upsync-module): the servers are read again for
# each request, even while their data are in use. The probe takes its place, with that module's name.

BEGIN {
    if (my ($probe) = ($ENV{TEST_NGINX_LOAD_MODULES} // '') =~ /(\S*probe\.so)/) {
        my $watched = "$ENV{CHECK_DIR}/watched.so";
        open my $from, '<:raw', $probe or die "$probe: $!\n";
        my $text = do { local $/; <$from> };
        my ($name, $other) = ("ngx_http_upstream_probe_module\0", "ngx_http_upsync_module\0");
        # The first occurrence is a symbol.
        my $seen = 0;
        $text =~ s/\Q$name\E/$seen++ ? $other . "\0" x (length($name) - length $other) : $name/ge;
        $seen > 1 or die "the name of the probe does not stand in it\n";
        open my $to, '>:raw', $watched or die "$watched: $!\n";
        print $to $text;
        close $to or die "$watched: $!\n";
        $ENV{TEST_NGINX_LOAD_MODULES} =~ s/\Q$probe\E/$watched/;
    }
}

use Sticky qw(Upstreams Visits);

my $servers = servers('location / { add_header Set-Cookie "app=own; Path=/"; return 200 "NAME"; }', qw(A B));

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => $servers . entrance(addressed($block->upstreams)));
});

run_tests();

__DATA__

=== the server of a session is down, or shares its ID with one that is: the response is still edited
--- upstreams
upstream prefix  { server A: down; server B:; session_sticky cookie=app mode=prefix; }
upstream rewrite { server A: down; server B:; session_sticky cookie=app mode=rewrite; }
upstream accept  { server A:; server B:; session_sticky cookie=route fallback=off accept=plain; }
upstream shared  { server 127.0.0.1:1999 id=one; server B: id=one; session_sticky hash=plain cookie=route accept=md5; }
--- client
my $response = visit('/prefix/', "app=$id{A}~own", 1983);
equals(set($response), "app=$id{B}~own; Path=/", 'mode=prefix: the ID of the server that responds');
$response = visit('/rewrite/', "app=$id{A}", 1983);
equals(set($response), "app=$id{B}; Path=/", 'mode=rewrite: the same');
$response = visit('/accept/', 'route=127.0.0.1:1986', 1983);
equals(body($response), 'B', 'accept=plain: the session is recognized');
equals((heads('Set-Cookie', $response))[-1], "route=$id{B}; Path=/", 'and gets an ID of the configured scheme');
$response = visit('/shared/', 'route=one', 1983);
equals(body($response), 'B', 'a shared ID: the other server responds');
--- no_error_log
[alert]
[crit]
